"""How the pages of visitors look: one card on a calm ground, light and dark, from 320 px on."""

from __future__ import annotations

from html import escape

CSS = """
:root{color-scheme:light dark;--ink:#1f2430;--soft:#5d6472;--line:#d9dde5;--field:#8a92a2;
--back:#f4f5f8;--card:#fff;--accent:#4a4ad0;
--on:#fff;--bad:#b3261e;--badge:#fbe3a6;--badgeink:#5c4300}
@media(prefers-color-scheme:dark){:root{--ink:#e8eaef;--soft:#a4abb8;--line:#353b47;--field:#6d7686;
--back:#12151a;--card:#1c2027;
--accent:#a3a3ff;--on:#12151a;--bad:#ff9a91;--badge:#4a3b12;--badgeink:#f4d58a}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--ink);font:16px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
main{max-width:60rem;margin:0 auto;padding:2rem 1.25rem 3rem}
header{display:flex;flex-wrap:wrap;gap:.4rem .8rem;align-items:center;margin:0 0 1.5rem}
header strong{font-size:1.05rem}
.badge{background:var(--badge);color:var(--badgeink);border-radius:5px;padding:.05rem .5rem;font-size:.75rem;font-weight:600;
letter-spacing:.03em;text-transform:uppercase}
.pay{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,1fr);gap:2rem 3.5rem;align-items:start}
@media(max-width:46rem){.pay{grid-template-columns:minmax(0,1fr)}main{padding-top:1.25rem}}
h1{font-size:1.05rem;font-weight:500;color:var(--soft);margin:0}h2{font-size:1.05rem;margin:0 0 1rem}
.total{font-size:2.1rem;font-weight:650;line-height:1.2;margin:.15rem 0 1.25rem;font-variant-numeric:tabular-nums}
section.card{background:var(--card);border:1px solid var(--line);border-radius:14px;padding:1.4rem}
ul.lines{list-style:none;margin:0;padding:0}
ul.lines li{display:flex;justify-content:space-between;gap:1rem;padding:.6rem 0;border-top:1px solid var(--line)}
ul.lines li>span:last-child{white-space:nowrap;font-variant-numeric:tabular-nums}
ul.lines small{display:block;color:var(--soft)}ul.lines .sum{font-weight:650}
label{display:block;font-size:.9rem;font-weight:550;margin:0 0 .9rem}
input{display:block;width:100%;min-width:0;font:inherit;font-weight:400;color:inherit;background:transparent;
border:1px solid var(--field);border-radius:8px;padding:.6rem .75rem;margin:.25rem 0 0}
input[aria-invalid=true]{border-color:var(--bad)}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:0 .9rem}
button{width:100%;font:inherit;font-weight:600;color:var(--on);background:var(--accent);border:1px solid var(--accent);
border-radius:8px;padding:.7rem 1rem;cursor:pointer}
button.plain{background:transparent;color:var(--ink);border-color:var(--line)}
button:hover{filter:brightness(1.08)}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
.error{color:var(--bad);font-size:.9rem;margin:-.35rem 0 .9rem}
.soft{color:var(--soft);font-size:.9rem}p{margin:0 0 .9rem}.hint,.way{margin:1rem 0 0}form{margin:0}
form.code{display:flex;gap:.6rem;align-items:end;margin:1rem 0 0}form.code label{flex:1;margin:0}form.code button{width:auto}
a{color:var(--accent)}.narrow{max-width:30rem;margin:2rem auto}.narrow h1{font-size:1.35rem;font-weight:650;color:var(--ink);
margin:0 0 .6rem}.stack button+button{margin-top:.6rem}
"""


def shop_frame(shop: str, title: str, body: str) -> bytes:
    """Return a whole HTML page of a shop in test mode."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>{escape(title)} · {escape(shop)}</title><style>{CSS}</style></head><body><main>"
        f'<header><strong>{escape(shop)}</strong><span class="badge">Test mode</span></header>{body}</main></body></html>'
    ).encode()
