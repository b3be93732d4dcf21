/**
 * What a person is asked to do, for people and for programs. Holds no verifier and no device code.
 *
 * @since 0.1.0
 */
import type { Invitation } from "@lockstep/oauth/Login"
import type { LoginMethod } from "@lockstep/oauth/OAuthVendor"
import * as Option from "effect/Option"
import * as Style from "../terminal/Style.js"

/**
 * Whose login it is, and how it is made.
 *
 * @since 0.1.0
 * @category models
 */
export interface Subject {
  readonly tenant: string
  readonly user: string
  readonly method: LoginMethod
  /** Of an MCP server: what it is called, and the server that issues its tokens. */
  readonly server: Option.Option<{ readonly issuer: string; readonly resource: string }>
}

/**
 * Names the server that is going to ask for a password, where another server chose it and not the person.
 *
 * @since 0.1.0
 * @category rendering
 */
export const introduction = ({ server }: Subject): string =>
  Option.match(server, {
    onNone: () => "",
    onSome: ({ issuer, resource }) => `${Style.printable(resource)} is protected by ${Style.printable(issuer)}.\n`
  })

/**
 * The address that a person opens: the one that holds the code already, where there is one.
 *
 * @since 0.1.0
 * @category getters
 */
export const addressOf = (invitation: Invitation): string =>
  invitation._tag === "Device"
    ? Option.getOrElse(invitation.verificationUriComplete, () => invitation.verificationUri)
    : invitation.url

/**
 * What goes to stdout, line by line: the address, and the code that is entered there.
 *
 * @since 0.1.0
 * @category rendering
 */
export const lines = (invitation: Invitation): ReadonlyArray<string> =>
  invitation._tag === "Device" ? [addressOf(invitation), invitation.userCode] : [addressOf(invitation)]

const members = (invitation: Invitation) =>
  invitation._tag === "Device"
    ? {
      verification_uri: invitation.verificationUri,
      verification_uri_complete: Option.getOrNull(invitation.verificationUriComplete),
      user_code: invitation.userCode,
      interval: invitation.interval / 1000
    }
    : { authorization_url: invitation.url }

/**
 * The document for programs. `next` is the command that goes on with it, where there is one. Times are seconds since the
 * epoch.
 *
 * @since 0.1.0
 * @category rendering
 */
export const json = (invitation: Invitation, subject: Subject, next: Option.Option<string>): unknown => ({
  status: "waiting",
  tenant: subject.tenant,
  user: subject.user,
  method: subject.method,
  ...Option.getOrElse(subject.server, () => ({})),
  ...members(invitation),
  expires_at: Math.floor(invitation.expiresAt / 1000),
  ...Option.match(next, { onNone: () => ({}), onSome: (command) => ({ next: command }) })
})
