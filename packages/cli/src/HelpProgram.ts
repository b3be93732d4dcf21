/**
 * `--help`, out of the pages that were written down when the command was bundled.
 *
 * @since 0.1.0
 */
import * as Argv from "./line/Argv.js"
import * as HelpPage from "./line/HelpPage.js"
import * as Style from "./terminal/Style.js"

/** A terminal of which no width is known. */
const COLUMNS = 80

/**
 * The text for a line that asks for help; nothing where it asks for something else.
 *
 * @since 0.1.0
 * @category getters
 */
export const answer = (
  { commands, pages, subcommands, valued }: HelpPage.HelpBook,
  args: ReadonlyArray<string>,
  options: { readonly style: Style.Style; readonly columns: number }
): string | undefined => {
  const { command, wantsHelp, words } = Argv.make(args, {
    commands,
    subcommands,
    takesValue: (name) => valued.includes(name)
  })
  // A word that is no command is for the program to say what is wrong with.
  const page = command === undefined && words.length > 0 ? undefined : pages[command ?? ""]
  return wantsHelp && page !== undefined ? HelpPage.render(page, options) : undefined
}

/**
 * The same for the standard output of this process.
 *
 * @since 0.1.0
 * @category getters
 */
export const main = (book: HelpPage.HelpBook, args: ReadonlyArray<string>): string | undefined =>
  answer(book, args, {
    style: Style.forStream(process.stdout, process.env),
    columns: process.stdout.columns || COLUMNS
  })
