/** Every command that an advice names can be run as it is printed. */
import * as CliConfig from "@effect/cli/CliConfig"
import * as CommandDescriptor from "@effect/cli/CommandDescriptor"
import { assert, describe, it } from "@effect/vitest"
import * as Credential from "@lockstep/core/Credential"
import * as Errors from "@lockstep/core/Errors"
import { PendingLogin } from "@lockstep/core/PendingLogins"
import * as TenantId from "@lockstep/core/TenantId"
import { LoginFailed } from "@lockstep/oauth/LoginError"
import * as OAuthVendor from "@lockstep/oauth/OAuthVendor"
import * as VendorRegistry from "@lockstep/oauth/VendorRegistry"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as Cli from "../src/Cli.js"
import * as Advice from "../src/errors/Advice.js"
import * as Argv from "../src/line/Argv.js"
import * as Completions from "../src/line/Completions.js"
import * as Grammar from "../src/line/Grammar.js"
import * as LineFault from "../src/line/LineFault.js"
import * as ParserEnvironment from "../src/line/ParserEnvironment.js"
import * as Beginning from "../src/login/Beginning.js"
import * as LoginStage from "./support/LoginStage.js"
import * as Stage from "./support/Stage.js"

const config = CliConfig.make({ showBuiltIns: false })

/** The words of a command as a POSIX shell sees them. */
const words = (line: string): ReadonlyArray<string> =>
  [...line.matchAll(/(?:'(?:[^']|'\\'')*'|[^\s'])+/g)].map(([word]) =>
    word.replaceAll(`'\\''`, "\u0001").replaceAll("'", "").replaceAll("\u0001", "'")
  )

/** The commands that a text names, in backticks; of a pipe, our end. */
const commandsIn = (text: string): ReadonlyArray<string> =>
  [...text.matchAll(/`(?:[^`]*\| )?(lockstep [^`]*)`/g)].map(([, command]) => command!)

/** What the command line says to a command; nothing where it accepts it. */
const refusal = (command: string) => {
  const argv = Argv.make(Completions.lineOf(words(command).slice(1)), Grammar.lexicon)
  const completions = Completions.of(argv.options)
  if (Option.isSome(completions)) {
    return Effect.succeed("message" in completions.value ? completions.value.message : undefined)
  }
  const fault = LineFault.of(argv)
  if (argv.wantsHelp) {
    return Effect.succeed(argv.command === undefined && argv.words.length > 0 ? "no such command" : undefined)
  }
  if (Option.isSome(fault)) return Effect.succeed(fault.value.message)
  return CommandDescriptor.parse(Cli.root.descriptor, ["lockstep", ...argv.args], config).pipe(
    Effect.map((directive) =>
      directive._tag === "BuiltIn"
        ? "built in"
        : directive.leftover.length > 0
        ? directive.leftover.join(" ")
        : undefined
    ),
    Effect.catchAll((error) => Effect.succeed(JSON.stringify(error.error))),
    Effect.provide(ParserEnvironment.layer)
  )
}

const assertAccepted = (commands: ReadonlyArray<string>) =>
  Effect.forEach(
    commands,
    (command) => Effect.map(refusal(command), (told) => assert.isUndefined(told, `\`${command}\`: ${told}`))
  )

const GLOBALS = ["--home", "/tmp/my home", "--store", "file"]
const registry = { find: (id: string) => Option.fromNullable(VendorRegistry.builtIn.find((one) => one.id === id)) }
const record = (members: Partial<ConstructorParameters<typeof Credential.Credential>[0]>) =>
  Credential.Credential.make({ accessToken: Option.none(), ...members } as never)

const attempt = (members: Partial<ConstructorParameters<typeof PendingLogin>[0]>, user = "discord 42") => ({
  tenant: TenantId.make("acme"),
  user,
  login: PendingLogin.make(members as never)
})

const typed = {
  target: Option.none<string>(),
  tenant: Option.some("acme"),
  profile: Option.none<string>(),
  issuer: Option.some("https://login.example"),
  clientId: Option.some("it's mine"),
  clientSecretFrom: Option.some("-"),
  scopes: ["openid email", "offline_access"],
  resource: Option.some("https://api.example"),
  user: "discord 42",
  device: true,
  noBrowser: true,
  newClient: false,
  clientName: Option.some("our tool"),
  callbackHost: Option.some("localhost" as const),
  authorizeParams: ["prompt=consent"],
  omitResource: true,
  mcpVersion: Option.some("2025-03-26" as const),
  grant: Option.some("jwt-bearer" as const),
  authMethod: Option.some("client_secret_post" as const),
  clientKeyFrom: Option.some("key file.pem"),
  subjectTokenFrom: Option.some("-"),
  subjectTokenEndpoint: Option.some("https://idp.example/token"),
  subjectClientId: Option.some("theirs"),
  replace: true
}

const beginnings: ReadonlyArray<Advice.Words> = [
  ...["codex", "codex@work", "mcp:linear", "acme", "it's mine"].map((name) => Beginning.ofName(registry, name)),
  Beginning.ofRecord("codex", record({ vendor: Option.some("codex") })),
  Beginning.ofRecord("acme", record({ issuer: Option.some("https://login.example") })),
  Beginning.ofRecord("acme", record({ clientId: Option.some("c") })),
  Beginning.ofRecord("mcp:linear", record({ vendor: Option.some("mcp"), resource: Option.some("https://m.example") })),
  Beginning.ofRecord("mcp:linear", record({})),
  Beginning.ofPending(registry, attempt({ issuer: Option.some("https://login.example"), scope: Option.some("a b") })),
  Beginning.ofPending(registry, attempt({ vendor: Option.some("mcp"), resource: Option.some("https://m.example") })),
  Beginning.ofPending(registry, attempt({ vendor: Option.some("codex"), method: "device" }, "local")),
  Beginning.ofOptions(typed),
  Beginning.ofOptions({ ...typed, target: Option.some("codex"), tenant: Option.none(), profile: Option.some("work") })
]

const holder = Option.some(
  Errors.LockHolder.make({ pid: 1, command: Option.none(), startedAt: Option.none(), stopped: false })
)

const each = <R extends string, E>(reasons: ReadonlyArray<R>, make: (reason: R) => E) => reasons.map(make)

const errors: ReadonlyArray<{ readonly _tag: string; readonly message: string; readonly advice: string }> = [
  ...each(
    Errors.ReauthorizationRequired.fields.reason.literals,
    (reason) => new Errors.ReauthorizationRequired({ tenant: "it's mine", reason })
  ),
  new Errors.LockTimeout({ lock: "codex", waited: 1, holder }),
  ...each(
    Errors.LockUnavailable.fields.reason.literals,
    (reason) => new Errors.LockUnavailable({ path: "/mnt", reason })
  ),
  ...each(
    Errors.ProviderTimeout.fields.reason.literals,
    (reason) => new Errors.ProviderTimeout({ tenant: "codex", reason, waited: 1 })
  ),
  ...each(
    Errors.ProviderUnavailable.fields.reason.literals,
    (reason) => new Errors.ProviderUnavailable({ tenant: "codex", reason, retryAfter: 1 })
  ),
  ...each(
    Errors.ProviderRejected.fields.reason.literals,
    (reason) => new Errors.ProviderRejected({ tenant: "codex", reason })
  ),
  new Errors.ProviderRejected({ tenant: "codex", reason: "InvalidClient", detail: "HTTP 401" }),
  ...each(
    Errors.CredentialStoreError.fields.reason.literals,
    (reason) => new Errors.CredentialStoreError({ location: "/x", reason })
  ),
  ...each(
    Errors.RotationNotPersisted.fields.kept.literals,
    (kept) => new Errors.RotationNotPersisted({ tenant: "it's mine", location: "/x", kept })
  ),
  new Errors.CredentialExists({ tenant: "codex", account: Option.none() }),
  ...each(LoginFailed.fields.reason.literals, (reason) => new LoginFailed({ tenant: "it's mine", reason }))
]

describe("the advice of an error", () => {
  it.effect("names commands that the command line accepts, on the home of the call", () =>
    Effect.gen(function*() {
      let commands = 0
      for (const error of errors) {
        for (const beginning of beginnings) {
          const advice = Advice.withGlobals(
            `${Advice.of(error, beginning)} ${Advice.of(error, beginning, true)}`,
            GLOBALS
          )
          assert.notMatch(advice, /call again|undefined|\n/, error._tag)
          const named = commandsIn(advice)
          commands += named.length
          for (const command of named) {
            assert.include(command, "--home '/tmp/my home'")
            assert.include(command, "--store file")
          }
          yield* assertAccepted(named)
        }
      }
      assert.isAbove(commands, 100)
    }))

  it("says what to do where a login has ended, whatever is known of it", () => {
    for (const reason of Errors.ReauthorizationRequired.fields.reason.literals) {
      const advice = Advice.reauthorization({ tenant: "codex", reason }, ["login", "codex"])
      assert.include(advice, "`lockstep login codex`")
      assert.strictEqual(advice.includes("`lockstep refresh codex --accept-risk`"), reason === "OutcomeUnknown")
    }
    assert.deepStrictEqual(Beginning.ofName(registry, "mcp:linear"), ["login", "URL", "--tenant", "mcp:linear"])
    assert.deepStrictEqual(
      Beginning.ofRecord("acme", record({ clientId: Option.some("c") })),
      ["login", "--issuer", "URL", "--client-id", "c", "--tenant", "acme"]
    )
    assert.notInclude(VendorRegistry.builtIn.map(({ id }) => id), "acme")
    assert.strictEqual(OAuthVendor.generic.id, "generic")
  })

  it("gives the options of the call to a command once, and to none that needs them not", () => {
    const home = ["--home", "/h"]
    assert.strictEqual(Advice.withGlobals("run `lockstep token a`", home), "run `lockstep token a --home /h`")
    assert.strictEqual(Advice.withGlobals("`lockstep exec a -- b`", home), "`lockstep exec a --home /h -- b`")
    for (
      const text of ["`lockstep token a --home /x`", "`lockstep vendors`", "`lockstep token --help`", "lockstep a"]
    ) {
      assert.strictEqual(Advice.withGlobals(text, home), text)
    }
  })
})

/** What stands for a value in the source of a text. */
const VALUES: Readonly<Record<string, string>> = {
  one: "bash",
  "argv.command": "token",
  from: "file",
  to: "file",
  told: "file",
  its: "file",
  store: "file",
  command: "secrets rotate-key",
  what: "status --fleet"
}

const withValues = (text: string): string =>
  text.replace(/\$\{([^{}]*)\}/g, (_, expression: string) => VALUES[expression.trim()] ?? "codex")

/** Commands in the texts of a package's source, and those that are put together there word by word. */
const commandsOf = (file: string): ReadonlyArray<string> => {
  const code = readFileSync(file, "utf8").split("\n").filter((line) => !/^\s*(\*|\/\/|\/\*)/.test(line)).join("\n")
  const written = [...code.matchAll(/\\?`((?:gh [^`|]*\| )?lockstep (?:[^`\\\n]|\\(?!`))*)\\?`/g)].map(([, text]) =>
    text!
  )
  const put = [...code.matchAll(/\bcommand\(("[^()]*)\)/g)].map(([, list]) =>
    `lockstep ${
      list!.split(",").map((word) => word.trim()).map((word) => /^"(.*)"$/.exec(word)?.[1] ?? "codex").join(" ")
    }`
  )
  return [...written, ...put].map((text) => withValues(text).replace(/^.*\| /, ""))
}

const sources = (name: string): ReadonlyArray<string> => {
  const root = fileURLToPath(new URL(`../../${name}/src`, import.meta.url))
  return readdirSync(root, { recursive: true, encoding: "utf8" })
    // The manual mentions commands by their names.
    .filter((file) => file.endsWith(".ts") && file !== "line/Manual.ts")
    .map((file) => `${root}/${file}`)
}

/** Placeholders for more than one word. */
const spelledOut = (command: string): string =>
  command.replace("COMMAND --help", "token --help").replace("CMD…", "true").replace(/ \| head.*$/, "")

describe("every command that a text of the product names", () => {
  it.effect("is accepted by the command line", () =>
    Effect.gen(function*() {
      const commands = ["cli", "core", "http", "mcp", "node", "oauth", "postgres", "proxy", "serve", "tools"].flatMap(
        sources
      )
        .flatMap(commandsOf).map(
          spelledOut
        )
      assert.isAbove(commands.length, 40)
      const refused = yield* Effect.forEach(commands, (command) =>
        Effect.map(refusal(command), (told) => told === undefined ? [] : [`${command}: ${told}`]))
      assert.deepStrictEqual(refused.flat(), [])
    }))

  it("is absent in the core", () => {
    assert.deepStrictEqual(sources("core").flatMap(commandsOf), [])
    for (const file of sources("core").filter((one) => /Errors?\.ts$/.test(one))) {
      assert.notMatch(readFileSync(file, "utf8"), /LOCKSTEP_|--[a-z]+-?[a-z]*\b/)
    }
  })
})

const commandOf = (told: string, what: RegExp): ReadonlyArray<string> => {
  const [command] = commandsIn(told).filter((one) => what.test(one))
  assert.isDefined(command, told)
  return words(command!).slice(1)
}

describe("after a login that came to nothing", () => {
  it.scopedLive("because its server cannot be reached, the advice speaks of no login that is kept", () =>
    Effect.gen(function*() {
      const stage = yield* LoginStage.make
      const home = ["--home", stage.harness.home]
      const line = ["login", "--issuer", "http://127.0.0.1:9", "--client-id", "x", "--tenant", "acme", "--no-browser"]
      const ran = yield* stage.run([...line, ...home])
      Stage.assertTold(ran, 5, /cannot be reached/)
      assert.include(ran.stderr, "nothing was changed")
      assert.notMatch(ran.stderr, /token endpoint|kept|stored/)
      Stage.assertTold(yield* stage.run(commandOf(ran.stderr, /login/)), 5, /cannot be reached/)
    }))

  it.scopedLive("the advice begins the very login again, for the same person and in the same home", () =>
    Effect.gen(function*() {
      const stage = yield* LoginStage.make
      const home = stage.harness.home
      const begin = [...stage.at("acme"), "--user", "discord 42", "--no-browser", "--home", home]
      const begun = yield* stage.run(begin)
      assert.strictEqual(begun.code, 0, begun.stderr)
      const state = new URL(begun.stdout.trim()).searchParams.get("state")!
      const denied = yield* stage.run(
        ["login", "acme", "--user", "discord 42", "--code", "-", "--home", home],
        {
          input: `http://127.0.0.1/callback?${new URLSearchParams({
            error: "access_denied",
            state,
            iss: stage.server.issuer
          })}`
        }
      )
      Stage.assertTold(denied, 3, /was not granted/)
      const again = commandOf(denied.stderr, /login/)
      for (const word of ["--issuer", "--user", "discord 42", "--home", home]) assert.include(again, word)
      const second = yield* stage.run(again)
      assert.strictEqual(second.code, 0, second.stderr)
      assert.include(second.stdout, "https".slice(0, 4))
      assert.deepStrictEqual(Object.keys(yield* stage.pending), ["acme:discord%2042"])

      // A step that comes when nothing is waiting for it knows the name alone.
      const nothing = yield* stage.run(["login", "other", "--code", "-"], { input: "code" })
      Stage.assertTold(nothing, 3, /has no unfinished login/)
      assert.include(nothing.stderr, "`lockstep login --issuer URL --client-id ID --tenant other --no-browser`")
    }))

  it.scopedLive("the advice to log in again, for a login that has ended, does so", () =>
    Effect.gen(function*() {
      const stage = yield* LoginStage.make
      assert.strictEqual((yield* stage.login("acme", "alice")).code, 0)
      const { refresh_token: token } = (yield* stage.stored("acme"))!
      // A second program that redeems the token ends the login for both.
      yield* stage.server.refresh(token as string)
      yield* stage.expire("acme")
      const refused = yield* stage.run(["token", "acme", "--home", stage.harness.home])
      Stage.assertTold(refused, 3, /was refused by the authorization server/)
      const again = yield* stage.run([...commandOf(refused.stderr, /login/), "--no-browser"])
      assert.strictEqual(again.code, 0, again.stderr)
      assert.property(yield* stage.pending, "acme:local")
    }))
})

describe("words", () => {
  it("are taken apart as a shell does", () => {
    assert.deepStrictEqual(words("lockstep token 'it'\\''s mine' --home /h"), [
      "lockstep",
      "token",
      "it's mine",
      "--home",
      "/h"
    ])
    assert.isTrue(Either.isRight(TenantId.fromString("it's mine")))
  })
})
