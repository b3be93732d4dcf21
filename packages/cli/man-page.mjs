/**
 * Writes `man/lockstep.1` from the pages of help, which were written down when the command was bundled: `man lockstep` and
 * `lockstep --help` never differ.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"

const here = (path) => fileURLToPath(new URL(path, import.meta.url))

/** A line that begins with a full stop or an apostrophe is a request to roff; a bare hyphen is a dash to some readers. */
const plain = (text) => text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replace(/^(['.])/, "\\&$1")

const items = (list) => list.map(([name, text]) => `.TP\n.B ${plain(name)}\n${plain(text)}`).join("\n")

const body = ({ about, lists, usage }, level) =>
  [
    ...about.map((text) => `.PP\n${plain(text)}`),
    `.PP\n.nf\n${plain(usage)}\n.fi`,
    ...lists.map(([title, list]) =>
      `${level === ".SH" ? `.SH ${title.toUpperCase()}` : `.PP\n.I ${title}`}\n${items(list)}`
    )
  ].join("\n")

/** The page, in the macros of man(7). */
export const page = ({ pages }, version) => {
  const { "": whole, ...commands } = pages
  return [
    `.TH LOCKSTEP 1 "" "lockstep ${version}" "User Commands"`,
    ".SH NAME",
    `lockstep \\- ${plain("a credential store and refresh coordinator for agents that share OAuth logins")}`,
    ".SH SYNOPSIS",
    body(whole, ".SH"),
    ...Object.entries(commands).map(([name, one]) => `.SH LOCKSTEP ${name.toUpperCase()}\n${body(one, ".PP")}`),
    ""
  ].join("\n")
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const book = JSON.parse(await readFile(here("dist/help.json"), "utf8"))
  const { version } = JSON.parse(await readFile(here("package.json"), "utf8"))
  await mkdir(here("man"), { recursive: true })
  await writeFile(here("man/lockstep.1"), page(book, version))
}
