/**
 * The page that a person sees when a login comes back from the browser: one sheet, light and dark, without scripts and
 * without anything from elsewhere. What it says is text and is escaped; it never repeats the address that it answers.
 *
 * @since 0.1.0
 */
import * as Crypto from "node:crypto"

/**
 * What the page says. Each line of `detail` is a paragraph; what stands between backticks is shown as a command.
 *
 * @since 0.1.0
 * @category models
 */
export interface CallbackPage {
  readonly outcome: "Done" | "Failed"
  readonly title: string
  readonly detail: string
}

const STYLE = `
:root {
  color-scheme: light dark;
  --ground: #f3f5f8; --glow: #e3ecff; --sheet: #fff; --edge: #dfe4ec; --text: #161b26; --muted: #586174;
  --code: #eef1f6; --done: #0f7a4d; --done-tint: #ddf4e8; --failed: #b3261e; --failed-tint: #fce4e1;
  --shadow: 0 1px 2px rgb(22 27 38 / 6%), 0 18px 48px -12px rgb(22 27 38 / 16%);
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #0c0f15; --glow: #16213a; --sheet: #151a23; --edge: #262e3b; --text: #edf0f6; --muted: #9ea8ba;
    --code: #212836; --done: #5fd6a0; --done-tint: #12322a; --failed: #ff9c93; --failed-tint: #3a1d1d;
    --shadow: 0 1px 2px rgb(0 0 0 / 40%), 0 18px 48px -12px rgb(0 0 0 / 60%);
  }
}
* { box-sizing: border-box; margin: 0; }
html { height: 100%; }
body {
  min-height: 100%; padding: 2rem 1.25rem; display: grid; grid-template-rows: 1fr auto; justify-items: center;
  align-items: center; gap: 2rem; color: var(--text);
  background: radial-gradient(60rem 36rem at 50% -8rem, var(--glow), transparent) var(--ground) no-repeat;
  font: 1.0625rem/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", sans-serif;
  -webkit-font-smoothing: antialiased; text-rendering: optimizeLegibility;
}
main {
  width: 100%; max-width: 30rem; padding: 3rem 2.75rem 2.75rem; text-align: center; background: var(--sheet);
  border: 1px solid var(--edge); border-radius: 1.5rem; box-shadow: var(--shadow);
}
.seal { display: block; width: 4.5rem; height: 4.5rem; margin: 0 auto 1.75rem; border-radius: 50%; }
.Done .seal { color: var(--done); background: var(--done-tint); }
.Failed .seal { color: var(--failed); background: var(--failed-tint); }
.seal path { fill: none; stroke: currentColor; stroke-width: 2.5; stroke-linecap: round; stroke-linejoin: round; }
h1 { font-size: 1.625rem; line-height: 1.25; font-weight: 650; letter-spacing: -.015em; text-wrap: balance; }
p { margin-top: .875rem; color: var(--muted); text-wrap: pretty; overflow-wrap: anywhere; }
p::first-letter { text-transform: uppercase; }
code {
  display: inline-block; max-width: 100%; padding: 0 .375em; border-radius: .375rem; color: var(--text); background: var(--code);
  font: .875em/1.5 ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
footer { display: flex; align-items: center; gap: .625rem; color: var(--muted); font-size: .8125rem; }
footer svg { flex: none; width: 1.125rem; height: 1.125rem; }
footer path { fill: none; stroke: currentColor; stroke-width: 2.25; stroke-linecap: round; stroke-linejoin: round; }
footer b { color: var(--text); font-weight: 600; letter-spacing: -.005em; }
@media (max-width: 30rem) {
  main { padding: 2.25rem 1.5rem 2rem; border-radius: 1.25rem; }
  .seal { width: 4rem; height: 4rem; margin-bottom: 1.25rem; }
  h1 { font-size: 1.4375rem; }
}
@media (prefers-reduced-motion: no-preference) {
  main { animation: rise .4s cubic-bezier(.2, .7, .2, 1) both; }
  .seal path { stroke-dasharray: 32; animation: draw .45s .2s ease-out both; }
  @keyframes rise { from { opacity: 0; transform: translateY(.5rem); } }
  @keyframes draw { from { stroke-dashoffset: 32; } to { stroke-dashoffset: 0; } }
}
@media (forced-colors: active) { main, .seal { border: 1px solid; } }
`

const SEALS = {
  Done: { label: "Done", path: "M10.5 18.5l5 5 10-11" },
  Failed: { label: "Failed", path: "M12.5 12.5l11 11m0-11l-11 11" }
} as const

const MARK = "<svg viewBox=\"0 0 24 24\" aria-hidden=\"true\"><path d=\"M5 6l6 6-6 6M13 6l6 6-6 6\"/></svg>"

const ICON_COLOURS = { Done: "0f7a4d", Failed: "b3261e" } as const

/** In the page, because a browser asks for an icon that it is not given. */
const icon = (outcome: CallbackPage["outcome"]): string =>
  `data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 36 36'%3E%3Ccircle cx='18' cy='18' r='18' fill='%23${
    ICON_COLOURS[outcome]
  }'/%3E%3Cpath d='${
    SEALS[outcome].path
  }' fill='none' stroke='white' stroke-width='3.5' stroke-linecap='round' stroke-linejoin='round'/%3E%3C/svg%3E`

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  "\"": "&quot;",
  "'": "&#39;"
}

const escape = (text: string): string => text.replace(/[&<>"']/g, (character) => ESCAPES[character]!)

const paragraph = (line: string): string => `<p>${escape(line).replace(/`([^`]+)`/g, "<code>$1</code>")}</p>`

/**
 * Writes the page as HTML.
 *
 * @since 0.1.0
 * @category getters
 */
export const render = ({ detail, outcome, title }: CallbackPage): string => {
  const { label, path } = SEALS[outcome]
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>${escape(title)} · Lockstep</title>
<link rel="icon" href="${icon(outcome)}">
<style>${STYLE}</style>
</head>
<body class="${outcome}">
<main>
<svg class="seal" viewBox="0 0 36 36" role="img" aria-label="${label}"><path d="${path}"/></svg>
<h1>${escape(title)}</h1>
${detail.split("\n").filter((line) => line.trim() !== "").map(paragraph).join("\n")}
</main>
<footer>${MARK}<span>Shown by <b>Lockstep</b> on this computer</span></footer>
</body>
</html>
`
}

const styleHash = Crypto.createHash("sha256").update(STYLE).digest("base64")

/**
 * The headers that every page is sent with: it is not cached, sends no referrer, runs nothing, loads
 * nothing and cannot be framed. The one style sheet is allowed by its hash.
 *
 * @since 0.1.0
 * @category getters
 */
export const headers: Readonly<Record<string, string>> = {
  "Content-Type": "text/html; charset=utf-8",
  "Cache-Control": "no-store",
  "Content-Security-Policy":
    `default-src 'none'; style-src 'sha256-${styleHash}'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY"
}
