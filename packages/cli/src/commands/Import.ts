/**
 * @since 0.1.0
 */
import { CredentialStore } from "@lockstep/core/CredentialStore"
import { CredentialWriter } from "@lockstep/core/CredentialWriter"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as fs from "node:fs/promises"
import * as ImportRecord from "../ImportRecord.js"
import * as Output from "../Output.js"
import { Stdin } from "../Stdin.js"
import * as Style from "../Style.js"
import * as Times from "../Times.js"
import { UsageError } from "../UsageError.js"

/**
 * What `lockstep import` was asked for.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly tenant: TenantId
  /** A path, or `-`. */
  readonly from: string
  readonly replace: boolean
  readonly json: boolean
}

const LIMIT = 1024 * 1024

const input = (message: string, advice: string) => new UsageError({ reason: "Input", message, advice })

const tooLarge = input(
  "the input is larger than 1 MiB",
  "give one JSON object with the members of `lockstep import --help`"
)

const readFile = (path: string) =>
  Effect.tryPromise({
    try: () => fs.readFile(path),
    catch: (cause) => {
      const code = (cause as NodeJS.ErrnoException).code ?? "unreadable"
      return input(`the input file cannot be read (${code})`, "check the path and its permissions")
    }
  }).pipe(
    Effect.flatMap((bytes) => bytes.length > LIMIT ? tooLarge : Effect.succeed(Redacted.make(bytes.toString("utf8"))))
  )

const readStdin = Effect.gen(function*() {
  const stdin = yield* Stdin
  if (stdin.isTerminal) {
    const output = yield* Output.Output
    yield* output.note("Paste the JSON, then press Ctrl-D.\n")
  }
  const document = yield* stdin.read(LIMIT)
  return document === undefined ? yield* tooLarge : document
})

/**
 * Takes over a credential from a JSON document.
 *
 * @since 0.1.0
 * @category commands
 */
export const run = (options: Options) =>
  Effect.gen(function*() {
    const document = options.from === "-" ? yield* readStdin : yield* readFile(options.from)
    const credential = yield* ImportRecord.decode(document, yield* Clock.currentTimeMillis)
    const writer = yield* CredentialWriter
    const { credential: stored } = yield* writer.put(options.tenant, credential, {
      replace: options.replace,
      note: "import"
    })
    const store = yield* CredentialStore
    if (options.json) {
      return yield* Output.json({
        tenant: options.tenant,
        store: store.location,
        generation: stored.generation,
        expires_at: Option.getOrNull(stored.expiresAt),
        refreshable: Option.isSome(stored.refreshToken)
      })
    }
    const { dataStyle } = yield* Output.Output
    const now = yield* Clock.currentTimeMillis
    const parts = [
      `generation ${stored.generation}`,
      Option.match(stored.expiresAt, {
        onNone: () => "expiry unknown",
        onSome: (at) =>
          at * 1000 <= now ? "expired, refreshed at first use" : `expires ${Times.relative(at * 1000, now)}`
      }),
      ...(Option.isNone(stored.refreshToken) ? ["no refresh token"] : [])
    ]
    yield* Output.line(`${dataStyle.bold(Style.printable(options.tenant))} imported: ${parts.join(", ")}`)
  })
