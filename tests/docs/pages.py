# Copyright (c) mmregioncl contributors. All rights reserved.
"""What the Markdown pages hold: blocks of code, commands, links."""
from __future__ import annotations

import re
import shlex
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
# how an indented block that is a command begins
STARTS = re.compile(r'(python|make|pip|mim|ln|tools/|[A-Z_]+=\S+ python)\b')


def list_pages() -> list[Path]:
    """Every page that a user reads."""
    pages = [*REPO.glob('*.md'), *(REPO / 'docs').rglob('*.md')]
    pages += [*(REPO / 'configs').rglob('*.md'), *(REPO / 'zoo').glob('*.md')]
    return sorted(page for page in pages if '_build' not in page.parts)


def blocks(text: str, language: str) -> list[str]:
    """Fenced blocks of code in a language."""
    found = re.findall(rf'^```{language}\n(.*?)^```', text, re.S | re.M)
    return [block.strip() for block in found]


def commands(text: str) -> list[list[str]]:
    """Every command of a page, as words.

    Of fenced blocks all lines are commands; of indented ones those that look
    like one; in running text what stands between backticks and names a tool.
    """
    lines = [line for block in blocks(text, 'bash') for line in joined(block)]
    prose = re.sub(r'^```.*?^```', '', text, flags=re.S | re.M)
    indented = '\n'.join(line[4:] for line in prose.splitlines()
                         if line.startswith('    '))
    lines += [line for line in joined(indented) if STARTS.match(line)]
    lines += [
        ' '.join(inline.split()) for inline in re.findall(r'`([^`]+)`', prose)
        # with arguments; the bare name of a tool is no command
        if re.match(r'(python tools/\S+|make|mim|pip) \S', inline.strip())
    ]
    words = (shlex.split(line, comments=True) for line in lines)
    return [each for each in words if each]


def joined(block: str) -> list[str]:
    """Lines, those that end with a backslash with the next."""
    return re.sub(r'\\\n\s*', ' ', block).splitlines()


def links(text: str) -> list[str]:
    """Targets of links and pictures, outside of code."""
    prose = re.sub(r'^```.*?^```', '', text, flags=re.S | re.M)
    prose = re.sub(r'`[^`]*`', '', prose)
    return re.findall(r'\]\(\s*<?([^)\s>]+)', prose)


def anchors(text: str) -> set[str]:
    """The anchors that GitHub and the site give to the headings."""
    prose = re.sub(r'^```.*?^```', '', text, flags=re.S | re.M)
    headings = re.findall(r'^#+ (.+)$', prose, re.M)
    return {
        re.sub(r'[^\w\- ]', '', each.lower()).strip().replace(' ', '-')
        for each in headings
    }
