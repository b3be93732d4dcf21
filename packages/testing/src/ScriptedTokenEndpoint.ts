/**
 * A strict rotating authorization server in memory, behind core's `TokenEndpoint`: every refresh retires its token, and
 * a retired one that is presented again revokes the whole family. Answers can be scripted, one per request.
 *
 * @since 0.1.0
 */
import { Credential } from "@lockstep/core/Credential"
import type { ProviderRejected, ProviderUnavailable } from "@lockstep/core/Errors"
import {
  type RedeemAnswer,
  RedeemAnswer as Answer,
  type RefreshTraits,
  RevokeAnswer,
  TokenEndpoint
} from "@lockstep/core/TokenEndpoint"
import { TokenGrant } from "@lockstep/core/TokenGrant"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"

/**
 * What the server does with one request.
 *
 * @since 0.1.0
 * @category models
 */
export type Behaviour =
  /** Rotates and answers. */
  | { readonly _tag: "Grant"; readonly grant?: Partial<TokenGrant> }
  /** Rotates, and answers once the gate opens. */
  | { readonly _tag: "GrantLate"; readonly gate: Deferred.Deferred<void> }
  /** Rotates, and the answer is lost. */
  | { readonly _tag: "ConsumeAndLose" }
  /** Never answers; what it does with the token is `consume`. */
  | { readonly _tag: "Hang"; readonly consume: boolean }
  /** Answers without looking at the token. */
  | { readonly _tag: "Answer"; readonly answer: RedeemAnswer }
  /** Answers without looking at the token, once the gate opens. */
  | { readonly _tag: "AnswerLate"; readonly gate: Deferred.Deferred<void>; readonly answer: RedeemAnswer }
  /** Issues a new access token and keeps the refresh token. */
  | { readonly _tag: "KeepRefreshToken"; readonly accessToken?: string }

/**
 * A scripted endpoint and its ledger.
 *
 * @since 0.1.0
 * @category models
 */
export interface ScriptedTokenEndpoint {
  readonly service: TokenEndpoint["Type"]
  readonly layer: Layer.Layer<TokenEndpoint>
  /** Scripts the next request; `Grant` where nothing is scripted. */
  readonly next: (behaviour: Behaviour) => void
  /** Forgets what is scripted. */
  readonly forget: () => void
  /** Every refresh token that arrived, in order. */
  readonly requests: Array<string>
  /** When they arrived, in milliseconds. */
  readonly arrivedAt: Array<number>
  /** Every refresh token that was exchanged. */
  readonly redemptions: Array<string>
  readonly reuses: Array<string>
  /** Every refresh token that was revoked on request. */
  readonly revocations: Array<string>
  /** Takes one element per request, when it has really arrived. */
  readonly arrivals: Queue.Dequeue<string>
  /** What discovery and the like answer, until changed. */
  prepare: Effect.Effect<void, ProviderUnavailable | ProviderRejected>
  /** What a revocation answers, after it was entered into the ledger, until changed. */
  revoke: Effect.Effect<RevokeAnswer>
  traits: RefreshTraits
  /** Lifetime of issued access tokens, in seconds. */
  expiresIn: number
  /** A credential whose refresh token is valid, for a store to start with. */
  readonly issue: (fields?: Partial<ConstructorParameters<typeof Credential>[0]>) => Credential
}

/**
 * Makes a server with one token family per `issue`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<ScriptedTokenEndpoint> = Effect.gen(function*() {
  const arrivals = yield* Queue.unbounded<string>()
  const script: Array<Behaviour> = []
  /** Refresh token to its family; a family holds one valid token at most. */
  const families = new Map<string, { valid: string | null }>()
  let issued = 0

  const issueTokens = (): { readonly access: string; readonly refresh: string } => {
    const n = issued++
    return { access: `lockstep-at-${n}`, refresh: `lockstep-rt-${n}` }
  }

  const rotate = (token: string): Option.Option<{ readonly access: string; readonly refresh: string }> => {
    const family = families.get(token)
    if (family === undefined) return Option.none()
    if (family.valid !== token) {
      self.reuses.push(token)
      family.valid = null
      return Option.none()
    }
    self.redemptions.push(token)
    const tokens = issueTokens()
    family.valid = tokens.refresh
    families.set(tokens.refresh, family)
    return Option.some(tokens)
  }

  const granted = (
    tokens: { readonly access: string; readonly refresh: string },
    now: number,
    grant: Partial<TokenGrant> = {}
  ): RedeemAnswer =>
    Answer.Granted({
      grant: TokenGrant.make({
        accessToken: Redacted.make(tokens.access),
        refreshToken: Option.some(Redacted.make(tokens.refresh)),
        idToken: Option.none(),
        tokenType: Option.some("Bearer"),
        scope: Option.none(),
        expiresAt: Option.some(Math.floor(now / 1000) + self.expiresIn),
        loginExpiresAt: Option.none(),
        account: Option.none(),
        ...grant
      })
    })

  const refused: RedeemAnswer = Answer.Terminal({ reason: "InvalidGrant", detail: "invalid_grant" })
  const consume = (token: string, now: number, grant?: Partial<TokenGrant>): RedeemAnswer =>
    Option.match(rotate(token), { onNone: () => refused, onSome: (tokens) => granted(tokens, now, grant) })

  const redeem = (credential: Credential) => (limit: Duration.Duration): Effect.Effect<RedeemAnswer> =>
    Effect.clockWith((clock) =>
      Effect.suspend(() => {
        const now = clock.unsafeCurrentTimeMillis()
        const token = Option.match(credential.refreshToken, { onNone: () => "", onSome: Redacted.value })
        self.requests.push(token)
        self.arrivedAt.push(now)
        const behaviour = script.shift() ?? { _tag: "Grant" }
        const answer = Effect.suspend((): Effect.Effect<RedeemAnswer> => {
          switch (behaviour._tag) {
            case "Grant":
              return Effect.succeed(consume(token, now, behaviour.grant))
            case "GrantLate": {
              const late = consume(token, now)
              return Effect.as(Deferred.await(behaviour.gate), late)
            }
            case "ConsumeAndLose":
              consume(token, now)
              return Effect.succeed(Answer.Unknown({ detail: "connection reset", answered: false }))
            case "Hang":
              if (behaviour.consume) consume(token, now)
              return Effect.never
            case "Answer":
              return Effect.succeed(behaviour.answer)
            case "AnswerLate":
              return Effect.as(Deferred.await(behaviour.gate), behaviour.answer)
            case "KeepRefreshToken":
              self.redemptions.push(token)
              return Effect.succeed(
                granted({ access: behaviour.accessToken ?? issueTokens().access, refresh: token }, now, {
                  refreshToken: Option.none()
                })
              )
          }
        })
        return Effect.zipRight(Queue.offer(arrivals, token), answer)
      })
    ).pipe(
      Effect.timeoutTo({
        duration: limit,
        onSuccess: (one): RedeemAnswer => one,
        onTimeout: () => Answer.Unknown({ detail: "no answer in time" })
      })
    )

  const self: ScriptedTokenEndpoint = {
    service: TokenEndpoint.of({
      traits: () => self.traits,
      prepare: (_tenant, credential) =>
        Effect.as(Effect.suspend(() => self.prepare), {
          redeem: redeem(credential)
        }),
      revoke: (_tenant, credential) =>
        Effect.suspend(() => {
          Option.map(credential.refreshToken, (token) => self.revocations.push(Redacted.value(token)))
          return self.revoke
        })
    }),
    get layer() {
      return Layer.succeed(TokenEndpoint, self.service)
    },
    next: (behaviour) => void script.push(behaviour),
    forget: () => void script.splice(0),
    requests: [],
    arrivedAt: [],
    redemptions: [],
    reuses: [],
    revocations: [],
    arrivals,
    prepare: Effect.void,
    revoke: Effect.succeed(RevokeAnswer.Revoked()),
    traits: { rotates: true, margin: Option.none(), rotationGroup: Option.none() },
    expiresIn: 3600,
    issue: (fields = {}) => {
      const tokens = issueTokens()
      families.set(tokens.refresh, { valid: tokens.refresh })
      return Credential.make({
        vendor: Option.none(),
        issuer: Option.none(),
        tokenEndpoint: Option.some("https://as.example/token"),
        revocationEndpoint: Option.none(),
        clientId: Option.some("client"),
        clientSecret: Option.none(),
        accessToken: Option.some(Redacted.make(tokens.access)),
        refreshToken: Option.some(Redacted.make(tokens.refresh)),
        idToken: Option.none(),
        tokenType: Option.some("Bearer"),
        scope: Option.none(),
        resource: Option.none(),
        expiresAt: Option.none(),
        obtainedAt: Option.none(),
        loginExpiresAt: Option.none(),
        account: Option.none(),
        generation: 1,
        lastRedeem: Option.none(),
        ...fields
      })
    }
  }
  return self
})
