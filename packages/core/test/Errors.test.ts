import { assert, describe, it } from "@effect/vitest"
import * as Errors from "@lockstep/core/Errors"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

const holder = Errors.LockHolder.make({
  pid: 4711,
  command: Option.some("codex"),
  startedAt: Option.some(1_790_000_000_000),
  stopped: false
})

const DETAILS = [undefined, "ENOSPC"]
const each = <R extends string, E>(reasons: ReadonlyArray<R>, make: (reason: R, detail?: string) => E): Array<E> =>
  reasons.flatMap((reason) => DETAILS.map((detail) => make(reason, detail)))
/** Absent and `undefined` are two things to an exact optional member. */
const maybe = (detail: string | undefined) => detail === undefined ? {} : { detail }

type Advised = Error & { readonly advice: string; readonly _tag: string }

/** An error class with its errors, and how they go to JSON and back. */
const told = <A extends Advised, I>(schema: Schema.Schema<A, I>, errors: ReadonlyArray<A>) => ({
  errors: errors as ReadonlyArray<Advised>,
  throughJson: errors.map((error): readonly [Advised, Advised] => [
    error,
    Schema.decodeSync(Schema.parseJson(schema))(Schema.encodeSync(Schema.parseJson(schema))(error))
  ])
})

const cases = [
  told(
    Errors.ReauthorizationRequired,
    each(
      Errors.ReauthorizationRequired.fields.reason.literals,
      (reason, detail) => new Errors.ReauthorizationRequired({ tenant: "codex", reason, ...maybe(detail) })
    )
  ),
  told(Errors.LockTimeout, [
    new Errors.LockTimeout({ lock: "codex", waited: 30_000, holder: Option.none() }),
    new Errors.LockTimeout({ lock: "codex", waited: 1, holder: Option.some(holder) }),
    new Errors.LockTimeout({
      lock: "codex",
      waited: 30_000,
      holder: Option.some(Errors.LockHolder.make({ ...holder, command: Option.none(), stopped: true }))
    })
  ]),
  told(
    Errors.LockUnavailable,
    each(
      Errors.LockUnavailable.fields.reason.literals,
      (reason, detail) => new Errors.LockUnavailable({ path: "/mnt", reason, ...maybe(detail) })
    )
  ),
  told(
    Errors.ProviderTimeout,
    each(
      Errors.ProviderTimeout.fields.reason.literals,
      (reason) => new Errors.ProviderTimeout({ tenant: "codex", reason, waited: 8_000 })
    )
  ),
  told(
    Errors.ProviderUnavailable,
    each(
      Errors.ProviderUnavailable.fields.reason.literals,
      (reason, detail) =>
        new Errors.ProviderUnavailable({ tenant: "codex", reason, retryAfter: 1_500, ...maybe(detail) })
    )
  ),
  told(
    Errors.ProviderRejected,
    each(
      Errors.ProviderRejected.fields.reason.literals,
      (reason, detail) => new Errors.ProviderRejected({ tenant: "codex", reason, ...maybe(detail) })
    )
  ),
  told(
    Errors.CredentialStoreError,
    each(
      Errors.CredentialStoreError.fields.reason.literals,
      (reason, detail) => new Errors.CredentialStoreError({ location: "auth.json", reason, ...maybe(detail) })
    )
  ),
  told(
    Errors.RotationNotPersisted,
    each(
      Errors.RotationNotPersisted.fields.kept.literals,
      (kept, detail) =>
        new Errors.RotationNotPersisted({ tenant: "codex", location: "auth.json", kept, ...maybe(detail) })
    )
  ),
  told(Errors.CredentialExists, [
    new Errors.CredentialExists({ tenant: "codex", account: Option.none() }),
    new Errors.CredentialExists({ tenant: "codex", account: Option.some("a@example.com") })
  ])
]

const all = cases.flatMap(({ errors }) => errors)

describe("every error", () => {
  it("says in one line what happened, and in one what to do", () => {
    for (const error of all) {
      for (const line of [error.message, error.advice]) {
        assert.isAbove(line.length, 10, line)
        assert.notMatch(line, /[\n\r]|undefined|null|NaN|\[object|_tag/, line)
      }
      assert.notStrictEqual(error.message, error.advice)
    }
  })

  it("shows its detail, and only then", () => {
    for (const error of all) {
      assert.strictEqual(
        error.message.includes("ENOSPC"),
        "detail" in error && error.detail === "ENOSPC",
        error.message
      )
    }
  })

  it("says what else to do where the store knows better than the reason", () => {
    const moved = { reason: "Superseded", location: "auth.json" } as const
    assert.strictEqual(new Errors.CredentialStoreError({ ...moved, remedy: "open it again" }).advice, "open it again")
    assert.notStrictEqual(new Errors.CredentialStoreError(moved).advice, "open it again")
    const elsewhere = { reason: "OtherDomain", path: "auth.json" } as const
    assert.strictEqual(new Errors.LockUnavailable({ ...elsewhere, remedy: "unset it" }).advice, "unset it")
    assert.notStrictEqual(new Errors.LockUnavailable(elsewhere).advice, "unset it")
  })

  it("has a message of its own for each reason", () => {
    for (const { errors } of cases) {
      assert.strictEqual(
        new Set(errors.map(({ message }) => message)).size,
        new Set(errors.map((one) => JSON.stringify(one))).size
      )
    }
  })

  it("survives JSON", () => {
    for (const [error, back] of cases.flatMap(({ throughJson }) => throughJson)) {
      assert.deepStrictEqual([back._tag, back.message, back.advice], [error._tag, error.message, error.advice])
    }
  })
})

describe("words that matter", () => {
  it("an unknown outcome is a person's decision, every other ended login needs a new one", () => {
    for (const reason of Errors.ReauthorizationRequired.fields.reason.literals) {
      const { advice } = new Errors.ReauthorizationRequired({ tenant: "codex@work", reason })
      assert.include(advice, "log in")
      assert.strictEqual(advice.includes("risk one more attempt"), reason === "OutcomeUnknown")
    }
  })

  it("name no command and no variable: a library does not know by which program it is used", () => {
    for (const { advice, message } of all) assert.notMatch(`${message}\n${advice}`, /`lockstep|LOCKSTEP_|--[a-z]/)
  })

  it("are true of a login that is not stored yet, and of an access token that still works", () => {
    const unreachable = new Errors.ProviderUnavailable({ tenant: "acme", reason: "Transport", retryAfter: 1_000 })
    assert.notMatch(`${unreachable.message} ${unreachable.advice}`, /token endpoint|login is kept/)
    const endless = new Errors.ReauthorizationRequired({ tenant: "codex", reason: "NoRefreshToken" })
    assert.notMatch(endless.message, /ended|expired/)
  })

  it("a stopped holder is continued, and no lock file is ever deleted", () => {
    const stopped = new Errors.LockTimeout({
      lock: "codex",
      waited: 30_000,
      holder: Option.some(Errors.LockHolder.make({ ...holder, stopped: true }))
    })
    assert.strictEqual(stopped.message, "the lock of codex was held by process 4711 (codex), which is stopped for 30 s")
    assert.include(stopped.advice, "kill -CONT 4711")
    for (const { advice } of all) assert.notMatch(advice, /delete|remove|rm /)
  })

  it("times are whole seconds, and never none", () => {
    const after = (retryAfter: number) =>
      new Errors.ProviderUnavailable({ tenant: "codex", reason: "Cooldown", retryAfter }).advice
    assert.include(after(0), "in 1 s")
    assert.include(after(1_001), "in 2 s")
  })
})

describe("a refused request", () => {
  it("without a word of why is met by a login, and with one by the client's settings", () => {
    const client = (detail: string) =>
      new Errors.ProviderRejected({ tenant: "my bot", reason: "InvalidClient", detail }).advice
    assert.include(client("HTTP 401"), "log in again")
    assert.notInclude(client("HTTP 401"), "secret")
    assert.include(client("HTTP 401 invalid_client"), "secret")
  })

  it("that names its resource is met by a login without it", () => {
    assert.include(new Errors.ProviderRejected({ tenant: "codex", reason: "Resource" }).advice, "log in without it")
  })
})
