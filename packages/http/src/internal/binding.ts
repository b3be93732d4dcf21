/** Which token may go where. */
import * as AccessToken from "@lockstep/core/AccessToken"
import * as LoopbackAddress from "@lockstep/core/LoopbackAddress"
import * as TokenSyntax from "@lockstep/core/TokenSyntax"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { RequestRefused } from "../BearerError.js"
import type { BearerOptions, Target } from "../BearerOptions.js"

/** An origin, and none where the text is no address or one without an origin. */
const originOf = (text: string): Option.Option<string> => {
  if (!URL.canParse(text)) return Option.none()
  const { origin } = new URL(text)
  return origin === "null" ? Option.none() : Option.some(origin)
}

const isProtected = (url: URL): boolean =>
  url.protocol === "https:" || (url.protocol === "http:" && LoopbackAddress.isLoopback(url.hostname))

export const make = ({ origins, tenant }: BearerOptions) => {
  const named = Option.map(Option.fromNullable(origins), (all) => all.flatMap((one) => Option.toArray(originOf(one))))

  const refuse = (reason: RequestRefused["reason"], { url }: Target, detail?: string) =>
    Option.some(new RequestRefused({ tenant, reason, origin: url.origin, detail }))

  const outside = (target: Target, bound: ReadonlyArray<string>) =>
    bound.includes(target.url.origin)
      ? Option.none()
      : refuse("OtherOrigin", target, bound.length === 0 ? undefined : `it is bound to ${bound.join(", ")}`)

  return {
    /** What stands against the request before any token is asked for. */
    ofRequest: (target: Target): Option.Option<RequestRefused> => {
      if (!isProtected(target.url)) return refuse("PlainHttp", target)
      return Option.flatMap(named, (bound) => outside(target, bound))
    },

    /** What stands against this very token in the request. */
    ofToken: (target: Target, token: AccessToken.AccessToken): Option.Option<RequestRefused> => {
      const fault = TokenSyntax.faultOf(Redacted.value(token.token), token.tokenType)
      if (fault !== undefined) return refuse("TokenSyntax", target, `its ${fault}`)
      if (AccessToken.isProven(token)) return refuse("TokenType", target, token.tokenType)
      if (Option.isSome(named)) return outside(target, named.value)
      return Option.match(Option.flatMap(token.resource, originOf), {
        onNone: () => refuse("Unbound", target),
        onSome: (bound) => outside(target, [bound])
      })
    }
  }
}
