/** The commands, statements and manifests of docs/fleet.md, in their order. */
import { readFileSync } from "node:fs"

export interface Block {
  readonly language: string
  /** What its first comment says, up to a colon or a comma. */
  readonly where: string
  readonly text: string
}

const text = readFileSync(new URL("../../../../docs/fleet.md", import.meta.url), "utf8")

export const blocks: ReadonlyArray<Block> = [...text.matchAll(/^```(\w+)\n([^]*?)^```$/gm)].map((
  [, language, body]
) => ({
  language: language!,
  where: /^(?:#|--) ([^:,;\n]+)/.exec(body!)?.[1] ?? "",
  text: body!
}))

/** Every finding of the doctor that the page names. */
export const findings: ReadonlyArray<string> = [...text.matchAll(/^\| `([a-z]+_[a-z]+)` +\|/gm)].map(([, code]) =>
  code!
)
