/**
 * Finds the logins that other tools keep on this machine. Nothing is ever written, and no lock is taken (I9).
 *
 * @since 0.1.0
 */
import { CredentialStoreError } from "@lockstep/core/Errors"
import * as AtomicFile from "@lockstep/node/AtomicFile"
import type { Damage } from "@lockstep/node/StoreCodec"
import * as WholeFile from "@lockstep/node/WholeFile"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as ToolFiles from "../ToolFiles.js"
import { claudeCode } from "./ClaudeCode.js"
import { codex } from "./Codex.js"
import { codexMcp } from "./CodexMcp.js"
import { copilot } from "./Copilot.js"
import { gemini } from "./Gemini.js"
import { grok } from "./Grok.js"
import { kiro } from "./Kiro.js"
import { mcpRemote } from "./McpRemote.js"
import { openClaw } from "./OpenClaw.js"
import { openCode } from "./OpenCode.js"
import { ToolEntry } from "./ToolEntry.js"
import * as ToolFileImport from "./ToolFileImport.js"
import type { Format, Machine, ToolImport } from "./ToolImport.js"

/** Those that tell more than the codec of a shared file does. */
const own = [claudeCode, codex, codexMcp, copilot, gemini, grok, kiro, mcpRemote, openClaw, openCode]

/**
 * The tools whose files are JSON or databases, by name.
 *
 * @since 0.1.0
 * @category constants
 */
export const all: ReadonlyArray<ToolImport> = [
  ...own,
  ...ToolFiles.all.filter((tool) => own.every(({ name }) => name !== tool.name)).map(ToolFileImport.make)
]

/**
 * One file that was there: what it holds, or why it cannot be read.
 *
 * @since 0.1.0
 * @category models
 */
export interface Found {
  readonly path: string
  readonly entries: Either.Either<ReadonlyArray<ToolEntry>, Damage>
}

/** Bytes. A file of credentials has some thousand; a larger file is not one. */
const LIMIT = 16 * 1024 * 1024

const namesIn = (directory: string): ReadonlyArray<string> => {
  try {
    return Fs.readdirSync(directory)
  } catch {
    return []
  }
}

const textIn = (path: string): string => {
  try {
    return sizeOf(path) > LIMIT ? "" : Fs.readFileSync(path, "utf8")
  } catch {
    return ""
  }
}

const usernameOf = (): string => {
  try {
    return Os.userInfo().username
  } catch {
    // A user without an entry, as in some containers.
    return ""
  }
}

/**
 * The machine that this process runs on, with the variables of its environment.
 *
 * @since 0.1.0
 * @category constructors
 */
export const machine = (environment: Readonly<Record<string, string | undefined>> = process.env): Machine => ({
  userHome: environment[process.platform === "win32" ? "USERPROFILE" : "HOME"] ?? Os.homedir(),
  variable: (name) => Option.fromNullable(environment[name]),
  names: namesIn,
  text: textIn,
  hostname: Os.hostname(),
  username: usernameOf()
})

interface Read {
  readonly path: string
  readonly text: string
  readonly changedAt: number
}

const sizeOf = (path: string): number => Fs.statSync(path, { throwIfNoEntry: false })?.size ?? 0

/** Another tool's file may be a link, as people keep their settings elsewhere. */
const readFile = (named: string): Effect.Effect<Option.Option<Read>, CredentialStoreError> =>
  Effect.gen(function*() {
    const path = yield* AtomicFile.resolve(named)
    const size = yield* Effect.orElseSucceed(Effect.try(() => sizeOf(path)), () => 0)
    if (size > LIMIT) return yield* new CredentialStoreError({ reason: "Read", location: path, detail: "too large" })
    const snapshot = yield* WholeFile.read(path)
    if (Option.isNone(snapshot)) return Option.none()
    const { bytes, changedAt } = snapshot.value
    return Option.some({ path, text: yield* WholeFile.decodeText(path, bytes), changedAt })
  })

/** What only tells more may be missing in any way. */
const readCompanion = (path: string) =>
  Effect.map(
    Effect.orElseSucceed(readFile(path), () => Option.none<Read>()),
    Option.map(({ text }) => [path, text] as const)
  )

/** A file that is not text is opened by its import; it is there or not as any other one. */
const openFile = (
  open: NonNullable<Format["open"]>,
  named: string
): Effect.Effect<
  Option.Option<Either.Either<Read, { readonly path: string; readonly damage: Damage }>>,
  CredentialStoreError
> =>
  Effect.map(AtomicFile.resolve(named), (path) => {
    const stat = Fs.statSync(path, { throwIfNoEntry: false })
    return stat === undefined || !stat.isFile() ? Option.none() : Option.some(Either.mapBoth(open(path), {
      onLeft: (damage) => ({ path, damage }),
      onRight: (text) => ({ path, text, changedAt: stat.mtimeMs })
    }))
  })

const readOpened = (format: Format, named: string, machine: Machine, open: NonNullable<Format["open"]>) =>
  Effect.map(
    openFile(open, named),
    Option.map((opened): Found =>
      Either.match(opened, {
        onLeft: ({ damage, path }) => ({ path, entries: Either.left(damage) }),
        onRight: (read) => ({
          path: read.path,
          entries: format.read({ ...read, machine, companions: new Map() })
        })
      })
    )
  )

/** What a newer store has replaced is told of, and never offered. */
const unlessReplaced = (format: Format, named: string, machine: Machine) => (found: Found): Found =>
  Option.match(format.replacedBy?.(named, machine) ?? Option.none<string>(), {
    onNone: () => found,
    onSome: (by) => ({
      ...found,
      entries: Either.map(
        found.entries,
        (entries) =>
          entries.map((entry) => ToolEntry.$is("Login")(entry) ? ToolEntry.Replaced({ name: entry.name, by }) : entry)
      )
    })
  })

const readFormat = (
  format: Format,
  named: string,
  machine: Machine
): Effect.Effect<Option.Option<Found>, CredentialStoreError> =>
  format.open === undefined ? readText(format, named, machine) : readOpened(format, named, machine, format.open)

const readText = (
  format: Format,
  named: string,
  machine: Machine
): Effect.Effect<Option.Option<Found>, CredentialStoreError> =>
  Effect.flatMap(
    readFile(named),
    Option.match({
      onNone: () => Effect.succeedNone,
      onSome: (read) =>
        Effect.map(
          Effect.forEach(format.companions?.({ ...read, machine }) ?? [], readCompanion),
          (companions): Option.Option<Found> =>
            Option.some({
              path: read.path,
              entries: format.read({ ...read, machine, companions: new Map(companions.flatMap(Option.toArray)) })
            })
        )
    })
  )

const formatFor = (tool: ToolImport, path: string, machine: Machine): Format =>
  tool.formats.find((format) => format.locate(machine).some((usual) => Path.basename(usual) === Path.basename(path))) ??
    tool.formats[0]

/**
 * Names the files in which a tool keeps its logins.
 *
 * @since 0.1.0
 * @category getters
 */
export const places = (tool: ToolImport, machine: Machine): ReadonlyArray<string> =>
  tool.formats.flatMap((format) => format.locate(machine))

/**
 * Reads every file of a tool that is there, or the one that is named. Fails where one is there and cannot be opened.
 *
 * @since 0.1.0
 * @category combinators
 */
export const find = (
  tool: ToolImport,
  machine: Machine,
  path: Option.Option<string> = Option.none()
): Effect.Effect<ReadonlyArray<Found>, CredentialStoreError> =>
  Effect.map(
    Option.match(path, {
      onNone: () =>
        Effect.forEach(
          tool.formats.flatMap((format) => format.locate(machine).map((named) => ({ format, named }))),
          ({ format, named }) =>
            Effect.map(readFormat(format, named, machine), Option.map(unlessReplaced(format, named, machine)))
        ),
      onSome: (named) =>
        Effect.map(readFormat(formatFor(tool, named, machine), Path.resolve(named), machine), (found) => [found])
    }),
    (found) => found.flatMap(Option.toArray)
  ).pipe(Effect.withSpan("lockstep.import.find"))
