/**
 * @since 0.1.0
 */
import type { Credential } from "@lockstep/core/Credential"
import { CredentialStore } from "@lockstep/core/CredentialStore"
import { CredentialWriter } from "@lockstep/core/CredentialWriter"
import * as ShellWord from "@lockstep/core/ShellWord"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as ImportRecord from "../import/ImportRecord.js"
import { UsageError } from "../line/UsageError.js"
import * as InputFile from "../terminal/InputFile.js"
import * as Output from "../terminal/Output.js"
import { Stdin } from "../terminal/Stdin.js"
import * as Style from "../terminal/Style.js"
import * as Times from "../terminal/Times.js"

/**
 * What `lockstep import` was asked for.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly tenant: TenantId
  /** A path, or `-`. */
  readonly from: Option.Option<string>
  /** `NAME` or `NAME:PATH`. */
  readonly fromTool: Option.Option<string>
  /** Which of the tool's logins. */
  readonly entry: Option.Option<string>
  /** Leaves the tool's refresh token where it is. */
  readonly accessTokenOnly: boolean
  /** Takes a refresh token that the tool goes on using. */
  readonly shareLogin: boolean
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
    try: () => InputFile.read(path, LIMIT),
    catch: (cause) => {
      const code = (cause as NodeJS.ErrnoException).code ?? "unreadable"
      return input(`the input file cannot be read (${code})`, "check the path and its permissions")
    }
  }).pipe(
    Effect.flatMap((bytes) => bytes === undefined ? tooLarge : Effect.succeed(Redacted.make(bytes.toString("utf8"))))
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

const fromDocument = (from: string) =>
  Effect.gen(function*() {
    const document = from === "-" ? yield* readStdin : yield* readFile(from)
    const credential = yield* ImportRecord.decode(document, yield* Clock.currentTimeMillis)
    return { credential, origin: null }
  })

const fromTool = (options: Options, name: string) =>
  Effect.flatMap(
    Effect.promise(() => import("../import/FromTool.js")),
    (FromTool) => FromTool.find({ ...options, fromTool: name })
  )

const source = (options: Options) => {
  const usage = (message: string) =>
    new UsageError({ reason: "Arguments", message, advice: "see `lockstep import --help`" })
  if (Option.isSome(options.from) && Option.isSome(options.fromTool)) {
    return usage("--from and --from-tool: one of them is enough")
  }
  const ofTools = Option.isSome(options.entry) || options.accessTokenOnly || options.shareLogin
  if (Option.isNone(options.fromTool) && ofTools) {
    return usage("--entry, --access-token-only and --share-login go with --from-tool")
  }
  if (Option.isSome(options.fromTool)) return fromTool(options, options.fromTool.value)
  return Option.isSome(options.from) ? fromDocument(options.from.value) : usage("--from or --from-tool is needed")
}

const login = (tenant: TenantId): string => `lockstep login ${ShellWord.quote(tenant)}`

const isDead = ({ expiresAt, refreshToken }: Credential) =>
  Effect.map(
    Clock.currentTimeMillis,
    (now) => Option.isNone(refreshToken) && Option.exists(expiresAt, (at) => at * 1000 <= now)
  )

/**
 * Takes over a credential from a JSON document, or from another tool's file.
 *
 * @since 0.1.0
 * @category commands
 */
export const run = (options: Options) =>
  Effect.gen(function*() {
    const { credential, origin } = yield* source(options)
    if (yield* isDead(credential)) {
      return yield* input(
        "the access token has ended, and no refresh token comes with it: nothing could be done with this login",
        origin === null
          ? `give a refresh token, too, or log in with \`${login(options.tenant)}\``
          : `let ${Style.printable(origin.tool)} refresh it first, then import it again; or log in with \`${
            login(options.tenant)
          }\``
      )
    }
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
        refreshable: Option.isSome(stored.refreshToken),
        account: Option.getOrNull(Option.map(stored.account, ({ id, label }) => ({
          id: Option.getOrNull(id),
          label: Option.getOrNull(label)
        }))),
        from: origin
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
    const from = origin === null ? "" : ` from ${Style.printable(origin.path)}`
    yield* Output.line(`${dataStyle.bold(Style.printable(options.tenant))} imported${from}: ${parts.join(", ")}`)
  })
