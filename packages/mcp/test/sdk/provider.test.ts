/** The provider under the real `auth()` of both lines of the SDK, with real servers. */
import { assert, describe, it } from "@effect/vitest"
import { Change } from "@lockstep/core/WritableStore"
import type { OAuthClientProvider } from "@lockstep/mcp/SdkTypes"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stage from "./stage.js"

const { LINES, TENANT, rejection, tagOf } = Stage

const secretOf = (secret: Option.Option<Redacted.Redacted>) => Option.getOrUndefined(Option.map(secret, Redacted.value))

for (const line of LINES) {
  /** Begins, has the person agree, and answers with what is left to do. */
  const begin = (stage: Stage.Stage, options: { readonly flow?: string } = {}) =>
    Effect.gen(function*() {
      const process = yield* stage.process
      const provider = yield* process.provider(options)
      assert.strictEqual(yield* Effect.promise(() => line.auth(provider, stage.resource.url)), "REDIRECT")
      const answer = yield* process.agree
      return {
        ...process,
        flow: provider,
        answer,
        end: Effect.promise(() => line.auth(provider, stage.resource.url, answer))
      }
    })

  const shown = (provider: OAuthClientProvider) =>
    Effect.map(Effect.promise(() => provider.tokens()), (tokens) => tokens?.access_token)

  describe(`a login through auth() of ${line.name}`, () => {
    it.scopedLive("is stored with all that a refresh needs, and is refreshed by us", () =>
      Effect.gen(function*() {
        const stage = yield* Stage.make()
        const { coordinator, end, flow, invited } = yield* begin(stage)
        assert.strictEqual(yield* end, "AUTHORIZED")
        const credential = Option.getOrThrow(yield* stage.stored)
        assert.deepStrictEqual(
          [credential.issuer, credential.tokenEndpoint, credential.resource, credential.clientId],
          [stage.server.issuer, stage.server.tokenEndpoint, stage.resource.url, stage.server.registrations[0]!].map(
            Option.some
          )
        )
        assert.strictEqual(invited[0]?.searchParams.get("resource"), stage.resource.url)
        const { token } = yield* coordinator.refresh(TENANT)
        assert.strictEqual(yield* shown(flow), Redacted.value(token.token))
        assert.strictEqual(stage.server.ledger.redemptions.length, 1)
        assert.deepStrictEqual(
          stage.server.tokenRequests.map(({ grantType, resource }) => [grantType, resource]),
          [["authorization_code", stage.resource.url], ["refresh_token", stage.resource.url]]
        )
        assert.deepStrictEqual(yield* stage.pending.list, [])
      }))

    it.scopedLive("shows the SDK no refresh token, so that it has nothing to refresh with", () =>
      Effect.gen(function*() {
        const stage = yield* Stage.make()
        const { refresh_token } = yield* stage.seed()
        const process = yield* stage.process
        const provider = yield* process.provider()
        for (const context of [undefined, { issuer: stage.server.issuer }]) {
          const tokens = yield* Effect.promise(() => provider.tokens(context))
          assert.isFalse("refresh_token" in tokens!)
          assert.notInclude(JSON.stringify(tokens), refresh_token)
        }
        // Asked for a login, it goes to the browser at once.
        assert.strictEqual(yield* Effect.promise(() => line.auth(provider, stage.resource.url)), "REDIRECT")
        assert.deepStrictEqual(stage.server.tokenRequests.filter(({ grantType }) => grantType === "refresh_token"), [])
      }))

    it.scopedLive("can be ended by another process that knows the name of the flow", () =>
      Effect.gen(function*() {
        const stage = yield* Stage.make()
        const { answer } = yield* begin(stage, { flow: "person-7" })
        const other = yield* (yield* stage.process).provider({ flow: "person-7" })
        const state = answer.searchParams.get("state") ?? ""
        assert.isTrue(yield* Effect.promise(() => other.isOwnState(state)))
        assert.isFalse(yield* Effect.promise(() => other.isOwnState(`${state}x`)))
        assert.strictEqual(
          yield* Effect.promise(() => line.auth(other, stage.resource.url, answer)),
          "AUTHORIZED"
        )
        assert.isTrue(Option.isSome(yield* stage.stored))
      }))

    it.scopedLive("cannot be ended by a flow that never began", () =>
      Effect.gen(function*() {
        const stage = yield* Stage.make()
        const { answer } = yield* begin(stage)
        const stranger = yield* (yield* stage.process).provider()
        const error = yield* rejection(stranger.codeVerifier())
        assert.strictEqual(tagOf(error), "UnknownFlow")
        assert.isFalse(yield* Effect.promise(() => stranger.isOwnState(answer.searchParams.get("state") ?? "")))
        yield* rejection(line.auth(stranger, stage.resource.url, answer))
        assert.isTrue(Option.isNone(yield* stage.stored))
      }))
  })

  describe(`an answer to ${line.name}`, () => {
    it.scopedLive("gives its code where its state and its server are those of the flow, and else nothing is sent", () =>
      Effect.gen(function*() {
        const stage = yield* Stage.make()
        const { answer, flow } = yield* begin(stage)
        const refusal = (change: (params: URLSearchParams) => void) =>
          Effect.gen(function*() {
            const changed = new URL(answer)
            change(changed.searchParams)
            return Reflect.get((yield* rejection(flow.codeOf(changed))) as object, "reason") as string
          })
        assert.strictEqual(yield* refusal((params) => params.set("state", "another")), "State")
        assert.strictEqual(yield* refusal((params) => params.delete("state")), "State")
        assert.strictEqual(yield* refusal((params) => params.delete("iss")), "IssuerMissing")
        for (const iss of ["https://evil.example", `${stage.server.issuer}/`, stage.server.issuer.toUpperCase()]) {
          assert.strictEqual(yield* refusal((params) => params.set("iss", iss)), "IssuerMismatch")
        }
        assert.strictEqual(yield* refusal((params) => params.delete("code")), "Denied")
        assert.strictEqual(
          yield* Effect.promise(() => flow.codeOf(answer.searchParams)),
          answer.searchParams.get("code")
        )
        assert.deepStrictEqual(stage.server.tokenRequests, [])
      }))

    it.scopedLive("is not sent by SDK 1 where it was not checked, although its server promises to name itself", () =>
      Effect.gen(function*() {
        const stage = yield* Stage.make()
        const { answer, flow } = yield* begin(stage)
        if (line.name === "v1") {
          const error = yield* rejection(flow.codeVerifier())
          assert.strictEqual(tagOf(error), "AnswerRefused")
          assert.include(String(Reflect.get(error as object, "advice")), "codeOf")
          yield* Effect.promise(() => flow.codeOf(answer))
        }
        assert.isNotEmpty(yield* Effect.promise(() => flow.codeVerifier()))
        assert.deepStrictEqual(stage.server.tokenRequests, [])
      }))

    it.scopedLive("comes from no server whose metadata names another one", () =>
      Effect.gen(function*() {
        const stage = yield* Stage.make()
        const provider = yield* (yield* stage.process).provider()
        const named = (issuer: string, authorizationServerUrl = "https://as.example") =>
          provider.saveDiscoveryState({ authorizationServerUrl, authorizationServerMetadata: { issuer } })
        for (const issuer of ["https://evil.example", "https://as.example/tenant", "https://as.example.evil"]) {
          const error = yield* rejection(named(issuer))
          assert.strictEqual(tagOf(error), "McpServerRejected")
          assert.strictEqual(Reflect.get(error as object, "reason"), "IssuerMismatch")
        }
        // RFC 3986 section 6.2.3: an address without a path has two spellings.
        yield* Effect.promise(() => named("https://as.example/"))
        yield* Effect.promise(() => named("https://as.example", "https://as.example/"))
        assert.deepStrictEqual(stage.server.registrations, [])
      }))
  })

  describe(`two flows of ${line.name} at once`, () => {
    it.scopedLive("keep verifiers, states and clients apart; the first to end stays, the other's login is given back", () =>
      Effect.gen(function*() {
        const stage = yield* Stage.make()
        const first = yield* begin(stage)
        const second = yield* begin(stage)
        const verifiers = yield* Effect.promise(() =>
          Promise.all([first, second].map(({ answer, flow }) => flow.codeOf(answer).then(() => flow.codeVerifier())))
        )
        assert.notStrictEqual(verifiers[0], verifiers[1])
        assert.strictEqual(stage.server.registrations.length, 2)

        assert.strictEqual(yield* second.end, "AUTHORIZED")
        const winner = yield* stage.accessToken
        assert.strictEqual(yield* first.end, "AUTHORIZED")
        assert.strictEqual(yield* stage.accessToken, winner)
        assert.strictEqual(yield* shown(first.flow), winner)
        assert.isTrue(yield* stage.server.isActive(winner))
        // No other process knew of the other one.
        assert.deepStrictEqual(stage.server.ledger.revocations.map(({ by }) => by), ["request"])
      }))

    it.scopedLive("lose nothing when the server refuses one of them", () =>
      Effect.gen(function*() {
        const stage = yield* Stage.make()
        const loser = yield* begin(stage)
        yield* (yield* begin(stage)).end
        const winner = yield* stage.accessToken
        const refused = new URL(loser.answer)
        refused.searchParams.set("code", "no-code-of-this-server")
        const error = yield* rejection(line.auth(loser.flow, stage.resource.url, refused))
        assert.match(String(error), /grant/i)
        assert.strictEqual(yield* stage.accessToken, winner)
        assert.strictEqual(yield* shown(loser.flow), winner)
        assert.deepStrictEqual(stage.server.ledger.revocations, [])
      }))
  })

  describe(`a login through auth() of ${line.name}, over another`, () => {
    it.scopedLive("replaces the one that it began with, though that was refreshed meanwhile", () =>
      Effect.gen(function*() {
        const stage = yield* Stage.make()
        yield* stage.seed()
        const { coordinator, end } = yield* begin(stage)
        yield* coordinator.refresh(TENANT)
        const before = yield* stage.accessToken
        yield* end
        assert.notStrictEqual(yield* stage.accessToken, before)
        assert.strictEqual(Option.getOrThrow(yield* stage.stored).generation, 3)
        assert.deepStrictEqual(stage.server.ledger.revocations, [])
      }))

    it.scopedLive("leaves alone what another program has stored meanwhile without a lock", () =>
      Effect.gen(function*() {
        const stage = yield* Stage.make()
        yield* stage.seed()
        const { end, flow } = yield* begin(stage)
        const theirs = yield* stage.seed()
        yield* end
        assert.strictEqual(yield* stage.accessToken, theirs.access_token)
        assert.strictEqual(yield* shown(flow), theirs.access_token)
      }))

    it.scopedLive("is stored where that was logged out meanwhile", () =>
      Effect.gen(function*() {
        const stage = yield* Stage.make()
        yield* stage.seed()
        const { end, writer } = yield* begin(stage)
        yield* writer.remove(TENANT, { revoke: false })
        yield* end
        assert.isTrue(Option.isSome(yield* stage.stored))
      }))

    it.scopedLive("is not made of what the SDK was shown, when it gives that back", () =>
      Effect.gen(function*() {
        const stage = yield* Stage.make()
        // v2 gives back what lacks a stamp.
        const { access_token } = yield* stage.seed({ issuer: false })
        const process = yield* stage.process
        // Its own client, which could revoke what it takes for an unwanted login.
        const provider = yield* process.provider({
          client: { client_id: stage.server.clientId, issuer: stage.server.issuer }
        })
        yield* Effect.promise(() => provider.tokens())
        const generation = Option.getOrThrow(yield* stage.stored).generation
        yield* Effect.promise(() =>
          provider.saveTokens({ access_token, token_type: "Bearer", issuer: stage.server.issuer }, {
            issuer: stage.server.issuer
          })
        )
        yield* Effect.promise(() => line.auth(provider, stage.resource.url))
        assert.strictEqual(Option.getOrThrow(yield* stage.stored).generation, generation)
        assert.isTrue(Option.isSome(Option.getOrThrow(yield* stage.stored).refreshToken))
        assert.isTrue(yield* stage.server.isActive(access_token))
      }))
  })

  describe(`without a person to send to a browser, auth() of ${line.name}`, () => {
    it.scopedLive("ends with a typed error that says how to log in, and registers no client", () =>
      Effect.gen(function*() {
        const stage = yield* Stage.make()
        const provider = yield* (yield* stage.process).alone
        const error = yield* rejection(line.auth(provider, stage.resource.url))
        assert.instanceOf(error, Error)
        assert.deepInclude(error as object, { _tag: "LoginRequired", tenant: TENANT })
        assert.strictEqual(
          Reflect.get(error as object, "advice"),
          `log in with \`lockstep login ${stage.resource.url} --tenant ${TENANT}\``
        )
        assert.deepStrictEqual(stage.server.registrations, [])
        assert.deepStrictEqual(stage.server.tokenRequests, [])
        assert.strictEqual(yield* shown(provider), undefined)
      }))
  })

  describe(`a server that describes itself as another, to auth() of ${line.name}`, () => {
    it.scopedLive("is asked for nothing", () =>
      Effect.gen(function*() {
        const stage = yield* Stage.make({
          metadata: (document) => ({ ...document, resource: "https://evil.example/mcp" })
        })
        const process = yield* stage.process
        const error = yield* rejection(line.auth(yield* process.provider(), stage.resource.url))
        assert.deepInclude(error as object, { _tag: "McpServerRejected", reason: "ResourceMismatch" })
        assert.deepStrictEqual(process.invited, [])
      }))
  })
}

describe("what is declared invalid", () => {
  const flows = Effect.gen(function*() {
    const stage = yield* Stage.make()
    const { access_token } = yield* stage.seed()
    const process = yield* stage.process
    const provider = yield* process.provider()
    const shown = Effect.map(Effect.promise(() => provider.tokens()), (tokens) => tokens?.access_token)
    assert.strictEqual(yield* shown, access_token)
    return { first: access_token, process, provider, shown, stage }
  })

  for (const scope of ["tokens", "all"] as const) {
    it.scopedLive(`as ${scope} stays stored, and this flow is shown it no more until there is another`, () =>
      Effect.gen(function*() {
        const { first, process, provider, shown, stage } = yield* flows
        const before = yield* stage.stored
        yield* Effect.promise(() => provider.invalidateCredentials(scope))
        assert.strictEqual(yield* shown, undefined)
        assert.deepStrictEqual(yield* stage.stored, before)
        const other = yield* process.provider()
        assert.strictEqual((yield* Effect.promise(() => other.tokens()))?.access_token, first)
        yield* process.coordinator.refresh(TENANT)
        assert.strictEqual(yield* shown, yield* stage.accessToken)
      }))

    it.scopedLive(`as ${scope} is not what another process has stored since: that is taken over`, () =>
      Effect.gen(function*() {
        const { first, provider, shown, stage } = yield* flows
        const other = yield* stage.process
        yield* other.coordinator.refresh(TENANT)
        yield* Effect.promise(() => provider.invalidateCredentials(scope))
        const winner = yield* shown
        assert.strictEqual(winner, yield* stage.accessToken)
        assert.notStrictEqual(winner, first)
      }))
  }

  it.scopedLive("as client is forgotten by this flow alone", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const process = yield* stage.process
      const issuer = stage.server.issuer
      const one = yield* process.provider({ flow: "one" })
      const two = yield* process.provider({ flow: "two" })
      for (const [provider, client_id] of [[one, "a"], [two, "b"]] as const) {
        yield* Effect.promise(() => provider.saveClientInformation({ client_id, issuer }))
        assert.strictEqual((yield* Effect.promise(() => provider.clientInformation()))?.client_id, client_id)
      }
      yield* Effect.promise(() => one.invalidateCredentials("client"))
      assert.strictEqual(yield* Effect.promise(() => one.clientInformation()), undefined)
      assert.strictEqual((yield* Effect.promise(() => two.clientInformation()))?.client_id, "b")
      // Another client of the same flow is no forgotten one.
      yield* Effect.promise(() => one.saveClientInformation({ client_id: "c", issuer }))
      assert.strictEqual((yield* Effect.promise(() => one.clientInformation()))?.client_id, "c")
    }))

  it.scopedLive("as client is not the one that was registered since it was shown", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const provider = yield* (yield* stage.process).provider()
      yield* Effect.promise(() => provider.saveClientInformation({ client_id: "a" }))
      yield* Effect.promise(() => provider.clientInformation())
      yield* Effect.promise(() => provider.saveClientInformation({ client_id: "b" }))
      yield* Effect.promise(() => provider.invalidateCredentials("client"))
      assert.strictEqual((yield* Effect.promise(() => provider.clientInformation()))?.client_id, "b")
    }))

  it.scopedLive("as verifier is this flow's and no other's", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const process = yield* stage.process
      const providers = yield* Effect.all([process.provider(), process.provider()])
      for (const provider of providers) {
        yield* Effect.promise(() => provider.state())
        yield* Effect.promise(() => provider.saveCodeVerifier(`verifier of ${provider.flow}`))
        yield* Effect.promise(() => provider.redirectToAuthorization(new URL("https://as.example/authorize?state=s")))
      }
      const [one, two] = providers
      yield* Effect.promise(() => one.invalidateCredentials("verifier"))
      assert.strictEqual(tagOf(yield* rejection(one.codeVerifier())), "UnknownFlow")
      assert.strictEqual(yield* Effect.promise(() => two.codeVerifier()), `verifier of ${two.flow}`)
      assert.deepStrictEqual((yield* stage.pending.list).map(({ user }) => user), [two.flow])
    }))

  it.scopedLive("as discovery is in memory, and what was stored stays", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const provider = yield* (yield* stage.process).provider()
      const state = { authorizationServerUrl: stage.server.issuer }
      yield* Effect.promise(() => provider.saveDiscoveryState(state))
      assert.deepStrictEqual(yield* Effect.promise(() => provider.discoveryState()), state)
      yield* Effect.promise(() => provider.invalidateCredentials("discovery"))
      assert.strictEqual(yield* Effect.promise(() => provider.discoveryState()), undefined)
    }))
})

describe("an error", () => {
  it.scopedLive("says nothing of an address that may be secret", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const provider = yield* (yield* stage.process).unattendedAt("https://mcp.example/mcp?key=s3cret")
      const error = yield* rejection(provider.discoveryState())
      assert.strictEqual(tagOf(error), "LoginRequired")
      assert.include(String(error), "https://mcp.example/mcp")
      assert.notInclude(`${String(error)} ${JSON.stringify(error)} ${Reflect.get(error as object, "advice")}`, "s3cret")
    }))
})

describe("a client", () => {
  it.scopedLive("is shown to the issuer that knows it, and to no other", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const provider = yield* (yield* stage.process).provider()
      const issuer = "https://as.example"
      yield* Effect.promise(() => provider.saveClientInformation({ client_id: "a" }, { issuer }))
      const at = (one: string) => Effect.promise(() => provider.clientInformation({ issuer: one }))
      assert.deepStrictEqual(yield* at(issuer), { client_id: "a", issuer })
      assert.deepStrictEqual(yield* at(`${issuer}/`), { client_id: "a", issuer })
      assert.strictEqual(yield* at("https://other.example"), undefined)
    }))
})

describe("a provider that is asked for tokens", () => {
  it.scopedLive("refreshes what has ended, once for everybody who asks", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed()
      yield* stage.writable.modify(TENANT, (present) =>
        Option.match(present, {
          onNone: () => Change.Keep({ value: undefined }),
          onSome: ({ credential }) =>
            Change.Put({
              credential: { ...credential, expiresAt: Option.some(1_000), obtainedAt: Option.some(1) },
              value: () => undefined
            })
        }))
      const provider = yield* (yield* stage.process).provider()
      const all = yield* Effect.promise(() => Promise.all(Array.from({ length: 8 }, () => provider.tokens())))
      assert.deepStrictEqual(new Set(all.map((tokens) => tokens?.access_token)), new Set([yield* stage.accessToken]))
      assert.strictEqual(stage.server.ledger.redemptions.length, 1)
    }))

  it.scopedLive("keeps client secrets where they belong", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const process = yield* stage.process
      const provider = yield* process.provider({ flow: "f" })
      yield* Effect.promise(() =>
        provider.saveClientInformation({ client_id: "a", client_secret: "s3cret", issuer: stage.server.issuer })
      )
      yield* Effect.promise(() =>
        provider.redirectToAuthorization(new URL("https://as.example/authorize?client_id=a&state=s"))
      )
      const kept = Option.getOrThrow(yield* stage.pending.get({ tenant: TENANT, user: "f" }))
      assert.strictEqual(secretOf(kept.clientSecret), "s3cret")
      assert.notInclude(JSON.stringify(process.invited), "s3cret")
    }))
})
