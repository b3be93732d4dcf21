/**
 * The note of a move that is under way, in `move.json` of the home: which of two stores is to be emptied where the move was
 * cut off.
 *
 * @since 0.1.0
 */
import { CredentialStoreError } from "@lockstep/core/Errors"
import { Host } from "@lockstep/core/Host"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Path from "node:path"
import * as AtomicFile from "../AtomicFile.js"
import { Home } from "../Home.js"
import { StoreKind } from "../HomePin.js"
import * as WholeFile from "../WholeFile.js"

/**
 * A move that was begun and not finished.
 *
 * @since 0.1.0
 * @category models
 */
export class Note extends Schema.Class<Note>("@lockstep/node/StoreMove/Note")({
  version: Schema.Literal(1),
  from: StoreKind,
  to: StoreKind,
  /** Seconds since the epoch. */
  at: Schema.Number,
  /** Command and pid. */
  by: Schema.String
}) {}

const NoteJson = Schema.parseJson(Note, { space: 2 })
const decodeNote = Schema.decode(NoteJson)
const encodeNote = Schema.encodeSync(NoteJson)

const noteOf = (home: Pick<Home["Type"], "directory">): string => Path.join(home.directory, "move.json")

/**
 * Reads what a move has left unfinished in a home.
 *
 * @since 0.1.0
 * @category combinators
 */
export const unfinished = (
  home: Pick<Home["Type"], "directory">
): Effect.Effect<Option.Option<Note>, CredentialStoreError> =>
  Effect.flatMap(
    WholeFile.read(noteOf(home)),
    Option.match({
      onNone: () => Effect.succeedNone,
      onSome: ({ bytes }) =>
        WholeFile.decodeText(noteOf(home), bytes).pipe(
          Effect.flatMap(decodeNote),
          // Dropped, because it quotes the file.
          Effect.mapError(() => new CredentialStoreError({ reason: "Decode", location: noteOf(home) })),
          Effect.asSome
        )
    })
  )

/**
 * Writes the note of a move that begins.
 *
 * @since 0.1.0
 * @category combinators
 */
export const write = (from: StoreKind, to: StoreKind) =>
  Effect.gen(function*() {
    const home = yield* Home
    const { self } = yield* Host
    const now = yield* Clock.currentTimeMillis
    const note = Note.make({ version: 1, from, to, at: Math.floor(now / 1_000), by: `${self.command} ${self.pid}` })
    yield* AtomicFile.replace(noteOf(home), `${encodeNote(note)}\n`)
  }).pipe(Effect.withSpan("lockstep.move.note"))

/**
 * Removes the note of a move that is done.
 *
 * @since 0.1.0
 * @category combinators
 */
export const remove = Effect.flatMap(Home, (home) => AtomicFile.remove(noteOf(home))).pipe(
  Effect.withSpan("lockstep.move.end")
)

/**
 * The store that an unfinished move leaves behind.
 *
 * @since 0.1.0
 * @category getters
 */
export const loserOf = (note: Note, now: StoreKind): StoreKind => note.from === now ? note.to : note.from
