/**
 * The command around a keeper: its home, its words, and the logins that clients begin through it.
 *
 * @since 0.1.0
 */
import { CredentialStore } from "@lockstep/core/CredentialStore"
import type * as TenantIds from "@lockstep/core/TenantId"
import { StoreChoice } from "@lockstep/node/stores/StoreChoice"
import * as Login from "@lockstep/oauth/Login"
import type { VendorRegistry } from "@lockstep/oauth/VendorRegistry"
import {
  KeeperHost,
  type LoginDone,
  type LoginInvitation,
  type LoginWish,
  type TenantView
} from "@lockstep/serve/KeeperHost"
import type * as KeeperWire from "@lockstep/serve/KeeperWire"
import * as TokenAnswer from "@lockstep/serve/TokenAnswer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Command from "../commands/Login.js"
import * as Advised from "../errors/Advised.js"
import * as ErrorReport from "../errors/ErrorReport.js"
import { UsageError } from "../line/UsageError.js"
import * as Beginning from "../login/Beginning.js"
import * as InvitationView from "../login/InvitationView.js"
import * as ServerWishes from "../login/ServerWishes.js"
import type { Output } from "../terminal/Output.js"
import type { Question } from "../terminal/Question.js"
import * as Quiet from "../terminal/Quiet.js"
import * as State from "../views/State.js"
import * as Survey from "../views/Survey.js"
import * as LoginWiring from "../wiring/LoginWiring.js"
import type * as SharedServices from "../wiring/SharedServices.js"

type Words = CredentialStore | VendorRegistry

const word = (error: unknown): Effect.Effect<KeeperWire.Problem, never, Words> =>
  Effect.match(Advised.worded()(Effect.fail(error)), {
    onSuccess: (never: never) => never,
    onFailure: (worded) => {
      const { error: members } = ErrorReport.toJson(ErrorReport.fromError(worded)) as {
        readonly error: KeeperWire.Problem
      }
      return members
    }
  })

const viewOf = (found: Survey.Tenant): TenantView => {
  const { credential, state, tenant } = found
  const reason = Option.getOrUndefined(State.loginReason(found, credential.expiresAt))
  return {
    tenant,
    state,
    ...(reason === undefined ? {} : { reason }),
    ...Option.match(credential.expiresAt, { onNone: () => ({}), onSome: (at) => ({ expires_at: at }) }),
    ...TokenAnswer.account(credential.account),
    generation: credential.generation
  }
}

const survey = Effect.map(
  Survey.each(Option.none(), Survey.one),
  (found) => found.map(Either.match({ onLeft: ({ tenant }) => ({ tenant, state: "damaged" }), onRight: viewOf }))
)

const typedOf = ({ device, profile, target, tenant, user }: LoginWish): Beginning.Typed => ({
  ...Beginning.untyped,
  target: Option.some(target),
  tenant: Option.fromNullable(tenant),
  profile: Option.fromNullable(profile),
  user,
  device,
  noBrowser: true
})

const loggingIn = Layer.merge(LoginWiring.layer, Quiet.layer)

const NOT_PERMITTED = new UsageError({
  reason: "Arguments",
  message: "this key does not open the login that is meant",
  advice: "name a login that it opens; see with `lockstep agent list`"
})

const seconds = (millis: number): number => Math.floor(millis / 1000)

const begin = (wish: LoginWish) =>
  Effect.gen(function*() {
    const login = yield* Login.Login
    const typed = typedOf(wish)
    // What is named already is looked at before any server is asked.
    if (wish.tenant !== undefined && !wish.permits(wish.tenant)) return yield* NOT_PERMITTED
    const { found, target } = yield* Command.resolve({ ...typed, clientSecret: Option.none() })
    if (!wish.permits(target.tenant)) return yield* NOT_PERMITTED
    const request: Login.LoginRequest = {
      ...yield* ServerWishes.complete(target, typed, typed.clientId),
      user: wish.user,
      ...yield* Command.replacing(target.tenant, found, false),
      port: Option.none(),
      timeout: Option.none()
    }
    const invitation = yield* Command.methodOf(target.vendor, typed) === "device"
      ? login.beginDevice(request)
      : login.begin(request)
    const invited: LoginInvitation = {
      tenant: target.tenant,
      url: InvitationView.addressOf(invitation),
      expires_at: seconds(invitation.expiresAt),
      ...(invitation._tag === "Device"
        ? { kind: "device", user_code: invitation.userCode, interval: invitation.interval / 1000 }
        : { kind: "browser" })
    }
    return invited
  })

const doneOf = ({ stored: { credential }, tenant }: Login.LoginResult): LoginDone => ({
  tenant,
  ...TokenAnswer.account(credential.account),
  ...Option.match(credential.expiresAt, { onNone: () => ({}), onSome: (at) => ({ expires_at: at }) }),
  generation: credential.generation
})

/**
 * Makes the host of a keeper over the services of the command.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (home: string): Effect.Effect<KeeperHost["Type"], never, SharedServices.Services> =>
  Effect.gen(function*() {
    const services = yield* Effect.context<SharedServices.Services>()
    const store = yield* CredentialStore
    const { name } = Context.get(services, StoreChoice)
    const within = <A, E>(
      self: Effect.Effect<A, E, SharedServices.Services | Login.Login | Output | Question>
    ): Effect.Effect<A, E> => Effect.provide(self, Layer.provideMerge(loggingIn, Layer.succeedContext(services)))
    return KeeperHost.of({
      home,
      store: { location: store.location, kind: name },
      word: (error) => Effect.provide(word(error), services),
      survey: Effect.provide(survey, services),
      beginLogin: (wish) => within(begin(wish)),
      completeLogin: (tenant: TenantIds.TenantId, user: string, answer: Redacted.Redacted) =>
        within(Effect.flatMap(Login.Login, (login) => Effect.map(login.complete({ tenant, user }, answer), doneOf))),
      pollLogin: (tenant, user) =>
        within(Effect.flatMap(Login.Login, (login) => Effect.map(login.poll({ tenant, user }), doneOf)))
    })
  })
