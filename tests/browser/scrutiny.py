"""What is asked of every page that is open in a tab. Each question answers with its complaints in words."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

# 2.5.8 is off in axe until more sites are ready for it.
AXE = {
    "resultTypes": ["violations"],
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    },
    "rules": {"target-size": {"enabled": True}},
}
FORBIDDEN_IN_POLICY = ("unsafe-inline", "unsafe-eval", "unsafe-hashes", "strict-dynamic", "*")
# Answers with sentences; the DOM is asked because a script may have made it.
STRUCTURE = """() => {
  const said = [], all = (query) => [...document.querySelectorAll(query)];
  const name = (node) => node.outerHTML.slice(0, 90);
  const titles = all('h1').filter((node) => node.checkVisibility());
  if (titles.length !== 1) said.push(`${titles.length} headings of the first level`);
  if (!document.documentElement.lang) said.push('no language');
  if (document.querySelector('a, button, input')?.getAttribute('href') !== '#main') said.push('no skip link first');
  for (const node of all('th:not([scope])')) said.push(`th without scope: ${name(node)}`);
  for (const node of all('table')) if (!node.caption?.textContent.trim()) said.push(`table without caption: ${name(node)}`);
  for (const node of all('[aria-sort]')) if (node.tagName !== 'TH') said.push(`aria-sort on ${name(node)}`);
  for (const node of all('time')) {
    if (!node.dateTime) said.push(`time without datetime: ${name(node)}`);
    if (node.dateTime.includes('T') && !/UTC/.test(node.title)) said.push(`moment without its exact time: ${name(node)}`);
  }
  const ids = all('[id]').map((node) => node.id);
  for (const id of new Set(ids.filter((id, i) => ids.indexOf(id) !== i))) said.push(`id twice: ${id}`);
  for (const node of all('.badge')) {
    if (!node.querySelector('svg') || !node.textContent.trim()) said.push(`badge of colour alone: ${name(node)}`);
  }
  for (const node of all('svg.chart')) {
    const home = node.closest('section');
    const takeaway = node.closest('figure')?.querySelector('figcaption')?.textContent ?? '';
    if (!takeaway.endsWith('.')) said.push('chart without a takeaway');
    if (!home?.querySelector('h2')) said.push('chart without a title');
    if (!home?.querySelector('table')) said.push('chart without a table');
  }
  for (const node of all('svg:not(.chart, .chart svg)')) {
    if (node.getAttribute('aria-hidden') !== 'true') said.push(`picture not hidden: ${name(node)}`);
  }
  for (const node of all('[style]')) if (!node.closest('svg')) said.push(`style attribute: ${name(node)}`);
  return said;
}"""
TOO_WIDE = """() => document.documentElement.scrollWidth <= innerWidth ? [] : [
  'scrolls sideways at ' + innerWidth + ' px: ' + [...document.querySelectorAll('main *')]
    .filter((node) => node.getBoundingClientRect().right > innerWidth + 1 && !node.closest('.table-wrap, pre'))
    .slice(0, 2).map((node) => node.outerHTML.slice(0, 90)).join(' ')]"""

SQUEEZED = """() => [...document.querySelectorAll('main *')].filter((node) => {
  const says = [...node.childNodes].some((part) => part.nodeType === Node.TEXT_NODE && part.textContent.trim().length > 3);
  if (!says || !node.checkVisibility()) return false;
  const box = node.getBoundingClientRect(), size = parseFloat(getComputedStyle(node).fontSize);
  return box.width < 2 * size && box.height > 4 * size;
}).map((node) => 'squeezed at ' + innerWidth + ' px: ' + node.outerHTML.slice(0, 90))"""


def answer(response: Any) -> list[str]:
    """What is wrong with an answer before anything is drawn: its status, its policy, inline code in its source."""
    said = []
    policy = response.headers.get("content-security-policy", "")
    if "default-src 'none'" not in policy:
        said.append(f"no strict policy: {policy!r}")
    said += [f"{word} in the policy" for word in FORBIDDEN_IN_POLICY if word in policy]
    if "data:" in policy.partition("script-src")[2].partition(";")[0]:
        said.append("scripts from data: addresses")
    source = response.text()
    said += [f"inline: {found}" for found in re.findall(r"<[a-z]+[^>]*?\s((?:style|on[a-z]+)=)[\"']", source)]
    said += ["inline script" for found in re.findall(r"<script(?![^>]*\ssrc=)[^>]*>", source) if "json" not in found]
    if "<style" in source:
        said.append("inline stylesheet")
    return said


def structure(tab: Any) -> list[str]:
    return list(tab.evaluate(STRUCTURE))


def width(tab: Any) -> list[str]:
    """What makes the page scroll sideways, and words of which a line holds a letter or two."""
    return [*tab.evaluate(TOO_WIDE), *tab.evaluate(SQUEEZED)]


def console(tab: Any) -> list[str]:
    """What the console said since one asked last; a violation of the policy is said there, too."""
    said = [f"console: {text}" for text in tab.said]
    tab.said.clear()
    return said


def barriers(tab: Any) -> list[str]:
    """What axe finds serious or critical."""
    if not tab.evaluate("() => 'axe' in window"):
        tab.evaluate(_axe())
    found = tab.evaluate("(options) => axe.run(options)", AXE)["violations"]
    return [
        f"axe {one['id']}: {node['html'][:110]} {node['failureSummary'][:160]}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"][:2]
    ]


@cache
def _axe() -> str:
    from axe_playwright_python.sync_playwright import Axe

    return str(Axe().axe_script)
