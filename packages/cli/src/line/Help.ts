/**
 * What the parser knows of a command, as a page of help. Its own rendering takes five lines per option and colours pipes.
 *
 * @since 0.1.0
 */
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as Style from "../terminal/Style.js"
import type { HelpPage } from "./HelpPage.js"

/** What the parser adds to every option and that a type in the usage line says already. */
const NOISE =
  /(A user-defined piece of text|A true or false value|This setting is optional|An? integer|This (option|argument) may be repeated zero or more times)\.|^One of the following: .*$/g

interface Block {
  readonly title: string
  readonly lines: Array<string>
  readonly items: Array<readonly [string, string]>
}

/** The words of a choice, behind what the option means; nothing where that names them all. */
const withChoices = (description: string, names: string): string => {
  const [, list] = /^\S+ (\S+(?: \| \S+)+)$/.exec(names) ?? []
  const choices = list?.split(" | ") ?? []
  return choices.every((choice) => description.includes(choice)) ? description : `${description}: ${choices.join(", ")}`
}

const words = (doc: HelpDoc.HelpDoc): string => Style.strip(HelpDoc.toAnsiText(doc)).replace(/\s+/g, " ").trim()

const sentences = (doc: HelpDoc.HelpDoc): ReadonlyArray<string> => {
  switch (doc._tag) {
    case "Sequence":
      return [...sentences(doc.left), ...sentences(doc.right)]
    case "Empty":
      return []
    default:
      return [words(doc).replace(NOISE, "").trim()].filter((text) => text !== "")
  }
}

const spanText = (span: Parameters<typeof HelpDoc.p>[0]): string => words(HelpDoc.p(span))

const collect = (doc: HelpDoc.HelpDoc, blocks: Array<Block>): void => {
  const block = () => {
    if (blocks.length === 0) blocks.push({ title: "", lines: [], items: [] })
    return blocks[blocks.length - 1]!
  }
  switch (doc._tag) {
    case "Empty":
      return
    case "Sequence":
      collect(doc.left, blocks)
      return collect(doc.right, blocks)
    case "Header":
      blocks.push({ title: spanText(doc.value), lines: [], items: [] })
      return
    case "Paragraph":
      block().lines.push(words(doc))
      return
    case "DescriptionList":
      for (const [name, description] of doc.definitions) {
        block().items.push([
          spanText(name).replace(/ \S+( \| \S+)+$/, " CHOICE"),
          withChoices(sentences(description).join(" "), spanText(name))
        ])
      }
      return
    case "Enumeration":
      for (const element of doc.elements) block().lines.push(words(element))
      return
  }
}

const describe = (blocks: ReadonlyArray<Block>): ReadonlyArray<string> =>
  blocks.filter((block) => block.title === "DESCRIPTION").flatMap((block) => block.lines)

/**
 * What a command does, in its own words.
 *
 * @since 0.1.0
 * @category getters
 */
export const summary = (doc: HelpDoc.HelpDoc): string => {
  const blocks: Array<Block> = []
  collect(doc, blocks)
  return describe(blocks).join(" ")
}

/**
 * Reads the page of one command.
 *
 * @since 0.1.0
 * @category constructors
 */
export const page = (doc: HelpDoc.HelpDoc, options: {
  /** In place of the description of the documentation. */
  readonly about?: string
  readonly usage: string
  /** Sections that the parser knows nothing of. */
  readonly more: HelpPage["lists"]
}): HelpPage => {
  const blocks: Array<Block> = []
  collect(doc, blocks)
  return {
    about: options.about === undefined ? describe(blocks) : [options.about],
    usage: options.usage,
    lists: [
      ...blocks.filter((block) => block.items.length > 0).map((block) => [block.title, block.items] as const),
      ...options.more
    ]
  }
}
