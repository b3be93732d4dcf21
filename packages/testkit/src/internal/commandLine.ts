/** What the commands of this package have in common: a line that is read, or answered with how it is meant. */

/** Settings, or what to say instead of running: the usage alone where it was asked for, and a complaint before it else. */
export type Read<A> = { readonly settings: A } | { readonly text: string; readonly isAsked: boolean }

export const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 1

/** Reads settings. `read` answers with a complaint in place of them, with nothing where help was asked for, or throws. */
export const read = <A extends object>(usage: string, parse: () => A | string | undefined): Read<A> => {
  try {
    const found = parse()
    if (found === undefined) return { text: usage, isAsked: true }
    return typeof found === "string" ? { text: `${found}\n\n${usage}`, isAsked: false } : { settings: found }
  } catch (error) {
    return { text: `${error instanceof Error ? error.message : String(error)}\n\n${usage}`, isAsked: false }
  }
}

/** The settings of a line that can be run; of another one it says what is to be said, and how the process ends. */
export const settingsOf = <A>(line: Read<A>): A | undefined => {
  if ("settings" in line) return line.settings
  console[line.isAsked ? "log" : "error"](line.text)
  process.exitCode = line.isAsked ? 0 : 2
  return undefined
}
