import { assert } from "@effect/vitest"
import type { Invitation, LoginRequest, LoginResult, Person } from "@lockstep/oauth/Login"
import type { LoginError } from "@lockstep/oauth/LoginError"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { type Facts, request } from "./Scenario.js"
import type { Stage } from "./Stage.js"

/** Runs a flow with a person; what goes wrong in front of the person ends it. */
const withPerson = (
  invite: (invitation: Invitation) => Effect.Effect<string | undefined>,
  flow: (person: Person) => Effect.Effect<LoginResult, LoginError>
): Effect.Effect<LoginResult, LoginError> =>
  Effect.gen(function*() {
    const stuck = yield* Deferred.make<never>()
    return yield* Effect.raceFirst(
      flow({
        invite: (invitation) =>
          Effect.flatMap(invite(invitation), (trouble) =>
            trouble === undefined ? Effect.void : Deferred.die(stuck, `the person is stuck: ${trouble}`)),
        pasted: Effect.never
      }),
      Deferred.await(stuck)
    )
  })

/** The address that the vendor sends the browser to. */
const follow = (stage: Stage, invitation: Invitation): Effect.Effect<URL> =>
  invitation._tag === "Device"
    ? Effect.dieMessage("a device was invited")
    : Effect.flatMap(
      stage.visit(invitation.url),
      (location) =>
        location === undefined ? Effect.dieMessage("the vendor shows an error page") : Effect.succeed(location)
    )

/**
 * A person at a browser of this machine. `goes` takes the browser to where the vendor sends it, and answers what is wrong
 * there, if anything.
 */
export const browser = (
  stage: Stage,
  facts: Facts,
  overrides: Partial<LoginRequest> = {},
  goes: (location: URL) => Effect.Effect<string | undefined> = stage.port.deliver
) =>
  withPerson(
    (invitation) =>
      invitation._tag !== "Browse"
        ? Effect.succeed(`invited to ${invitation._tag}`)
        : Effect.flatMap(
          stage.visit(invitation.url),
          (location) => location === undefined ? Effect.succeed("the vendor shows an error page") : goes(location)
        ),
    (person) => stage.login.browser(request(stage, facts, overrides), person)
  )

/**
 * A person whose browser is elsewhere. `pastes` makes of the address what is carried over.
 */
export const paste = (
  stage: Stage,
  facts: Facts,
  pastes: (location: URL) => string,
  overrides: Partial<LoginRequest> = {}
) =>
  Effect.gen(function*() {
    const wanted = request(stage, facts, overrides)
    const invitation = yield* stage.login.begin(wanted)
    assert.strictEqual(invitation._tag, "Paste")
    const location = yield* follow(stage, invitation)
    return yield* stage.login.complete(wanted, Redacted.make(pastes(location)))
  })

/** What is wrong with what the person is shown. */
const checkPage = (stage: Stage, { devicePage }: Facts, invitation: Invitation): string | undefined => {
  if (invitation._tag !== "Device") return `invited to ${invitation._tag}`
  const userCode = stage.emulator.devices.userCodes.at(-1)
  const complete = devicePage === undefined || devicePage.complete === null ? null : `${devicePage.complete}${userCode}`
  return invitation.userCode === userCode && invitation.verificationUri === devicePage?.address &&
      Option.getOrNull(invitation.verificationUriComplete) === complete
    ? undefined
    : `shown ${invitation.userCode} for ${invitation.verificationUri}`
}

/**
 * A person at another device, from the code to the end.
 */
export const device = (stage: Stage, facts: Facts, overrides: Partial<LoginRequest> = {}) =>
  stage.passTime(withPerson(
    (invitation) => Effect.sync(() => checkPage(stage, facts, invitation)),
    (person) => stage.login.device(request(stage, facts, overrides), person)
  ))
