/**
 * Where the command writes: data to stdout, everything else to stderr, colour only where a person looks.
 *
 * @since 0.1.0
 */
import * as Printable from "@lockstep/core/Printable"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as HashSet from "effect/HashSet"
import * as Logger from "effect/Logger"
import { format as formatConsole } from "node:util"
import * as LogLine from "./LogLine.js"
import * as Style from "./Style.js"

/**
 * The process's streams, as the command uses them.
 *
 * @since 0.1.0
 * @category services
 */
export class Output extends Context.Tag("@lockstep/cli/Output")<Output, {
  /** Writes data. Nothing else is ever written there. */
  readonly data: (text: string) => Effect.Effect<void>
  /** Writes what is meant for a person: warnings, errors, progress. */
  readonly note: (text: string) => Effect.Effect<void>
  /** How data may be decorated. */
  readonly dataStyle: Style.Style
  /** How notes may be decorated. */
  readonly noteStyle: Style.Style
  /** Whether a person looks at what is written as data, and how wide the window is. */
  readonly screen: { readonly isTerminal: boolean; readonly columns: number }
  /** The same of what is written as notes. */
  readonly noteScreen: { readonly isTerminal: boolean; readonly columns: number }
  /** Whether a person can be asked: a terminal to read from and one to ask on. */
  readonly isInteractive: boolean
}>() {}

/**
 * Writes a line of data.
 *
 * @since 0.1.0
 * @category combinators
 */
export const line = (text: string): Effect.Effect<void, never, Output> =>
  Effect.flatMap(Output, (output) => output.data(`${text}\n`))

/**
 * Writes one JSON document on a line of its own.
 *
 * @since 0.1.0
 * @category combinators
 */
export const json = (value: unknown): Effect.Effect<void, never, Output> => line(Printable.json(value))

/**
 * Warns a person, without touching the data.
 *
 * @since 0.1.0
 * @category combinators
 */
export const warn = (text: string): Effect.Effect<void, never, Output> =>
  Effect.flatMap(
    Output,
    (output) => output.note(`${output.noteStyle.yellow("lockstep: warning:")} ${Printable.line(text)}\n`)
  )

const screenOf = (stream: NodeJS.WriteStream): Output["Type"]["screen"] => ({
  isTerminal: stream.isTTY === true,
  // A window can be resized; one of no width does not know its own.
  get columns() {
    return stream.columns || 80
  }
})

/**
 * The columns that a table may take: those of the window, and any number where no person looks.
 *
 * @since 0.1.0
 * @category getters
 */
export const fitting = ({ columns, isTerminal }: Output["Type"]["screen"]): number => isTerminal ? columns : Infinity

/**
 * Makes the output of this process.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeProcess = (): Output["Type"] =>
  Output.of({
    data: (text) => Effect.sync(() => void process.stdout.write(text)),
    note: (text) => Effect.sync(() => void process.stderr.write(text)),
    dataStyle: Style.forStream(process.stdout, process.env),
    noteStyle: Style.forStream(process.stderr, process.env),
    screen: screenOf(process.stdout),
    noteScreen: screenOf(process.stderr),
    // Opening standard input costs more than most of what is printed.
    get isInteractive() {
      return process.stdin.isTTY === true && process.stderr.isTTY === true
    }
  })

/**
 * Writes in another way to the same places.
 *
 * @since 0.1.0
 * @category combinators
 */
export const writing = (
  output: Output["Type"],
  how: Partial<Pick<Output["Type"], "data" | "note">>
): Output["Type"] =>
  Output.of({
    data: how.data ?? output.data,
    note: how.note ?? output.note,
    dataStyle: output.dataStyle,
    noteStyle: output.noteStyle,
    screen: output.screen,
    noteScreen: output.noteScreen,
    get isInteractive() {
      return output.isInteractive
    }
  })

// Version and completions reach us through the console. The parser's errors do, too, and are told in our own two lines
// instead.
const console = (output: Output["Type"]): Console.Console => {
  const silent: Console.UnsafeConsole = new Proxy(globalThis.console, { get: () => () => {} })
  const log = (...parts: ReadonlyArray<unknown>) => output.data(`${formatConsole(...parts).trimEnd()}\n`)
  const nothing = () => Effect.void
  return {
    [Console.TypeId]: Console.TypeId,
    assert: nothing,
    clear: Effect.void,
    count: nothing,
    countReset: nothing,
    debug: nothing,
    dir: nothing,
    dirxml: nothing,
    error: nothing,
    group: nothing,
    groupEnd: Effect.void,
    info: nothing,
    log,
    table: nothing,
    time: nothing,
    timeEnd: nothing,
    timeLog: nothing,
    trace: nothing,
    warn: nothing,
    unsafe: silent
  }
}

/**
 * Runs a command with the given output, console and log going the same ways. Whatever is written goes through here: what
 * stands in it from outside and was forgotten on the way steers no terminal.
 *
 * @since 0.1.0
 * @category combinators
 */
export const provide = (unguarded: Output["Type"]) => {
  const output = writing(unguarded, {
    data: (text) => unguarded.data(Style.harmless(text)),
    note: (text) => unguarded.note(Style.spell(Style.harmless(text), unguarded.noteStyle))
  })
  const logger = Logger.make((entry) => Effect.runSync(output.note(LogLine.render(entry, output.noteStyle))))
  return <A, E, R>(command: Effect.Effect<A, E, R>): Effect.Effect<A, E, Exclude<R, Output>> =>
    command.pipe(
      Effect.provideService(Output, output),
      Effect.withConsole(console(output)),
      Effect.locallyWith(
        FiberRef.currentLoggers,
        (loggers) => HashSet.add(HashSet.remove(loggers, Logger.defaultLogger), logger)
      )
    )
}
