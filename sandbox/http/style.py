"""The control page's stylesheet, and the frame every page sits in."""

from __future__ import annotations

from html import escape

CSS = """
:root{color-scheme:light dark;--ink:#1f2430;--soft:#6b7280;--line:#e3e6ec;--back:#f6f7f9;--card:#fff;--accent:#4a4ad0;
--good:#0b7a45;--bad:#b3261e;--wait:#8a5a00}
@media(prefers-color-scheme:dark){:root{--ink:#e7e9ee;--soft:#9aa1ad;--line:#2c313b;--back:#14171c;--card:#1c2027;
--accent:#9d9dff;--good:#5fd39a;--bad:#ff8a80;--wait:#e7b75a}}
*{box-sizing:border-box}body{margin:0;background:var(--back);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
header{background:var(--card);border-bottom:1px solid var(--line)}
header div,main{max-width:70rem;margin:0 auto;padding:1rem 1.25rem}
header div{display:flex;flex-wrap:wrap;gap:.25rem 1.5rem;align-items:baseline}
header strong{font-size:1.1rem}header nav{display:flex;gap:1rem;margin-left:auto}
a{color:var(--accent);text-decoration:none}a:hover,a:focus{text-decoration:underline}
h1{font-size:1.35rem;margin:.5rem 0 1rem}h2{font-size:1.05rem;margin:0 0 .6rem}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;
padding:1rem 1.1rem;margin:0 0 1rem;overflow-x:auto}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(20rem,1fr));gap:0 1rem}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.35rem .7rem .35rem 0;border-top:1px solid var(--line);vertical-align:top}
th{color:var(--soft);font-weight:500;border-top:0}td.n,th.n{text-align:right}
ul.kinds{list-style:none;margin:0;padding:0;display:grid;
grid-template-columns:repeat(auto-fill,minmax(13rem,1fr));gap:.1rem 1.2rem}
ul.kinds li{display:flex;justify-content:space-between;gap:.8rem;border-top:1px solid var(--line);padding:.25rem 0}
ul.kinds span{white-space:nowrap}
code,pre{font:13px/1.5 ui-monospace,monospace}pre{margin:0;white-space:pre-wrap;overflow-wrap:anywhere}
form.row{display:flex;flex-wrap:wrap;gap:.5rem;align-items:center;margin:0}
button,input,select{font:inherit;color:inherit;background:var(--card);border:1px solid var(--line);
border-radius:7px;padding:.3rem .75rem}
button{cursor:pointer}button:hover{border-color:var(--accent)}button.main{background:var(--accent);border-color:var(--accent);color:#fff}
@media(prefers-color-scheme:dark){button.main{color:#14171c}}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
.soft{color:var(--soft)}.good{color:var(--good)}.bad{color:var(--bad)}.wait{color:var(--wait)}
.big{font-size:1.5rem;font-weight:600;font-variant-numeric:tabular-nums}p{margin:.3rem 0 .7rem}
"""


def frame(title: str, clock: str, body: str) -> bytes:
    """Return a whole HTML page."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>{escape(title)} · Sandbox</title><style>{CSS}</style></head><body><header><div>"
        f'<strong><a href="/_sandbox">Sandbox</a></strong><span class="soft">test mode · {escape(clock)} UTC</span>'
        '<nav><a href="/_sandbox">Overview</a><a href="/_sandbox/objects/event">Events</a>'
        '<a href="/_sandbox/deliveries">Deliveries</a></nav></div></header>'
        f"<main><h1>{escape(title)}</h1>{body}</main></body></html>"
    ).encode()
