/**
 * Whether a token may leave the command in a form. What a server issued, or a variable holds, is kept as it came; but a
 * token with a line break would say more to git, a shell or a header than a token.
 *
 * @since 0.1.0
 */
import type { AccessToken } from "@lockstep/core/AccessToken"
import { ProviderRejected } from "@lockstep/core/Errors"
import * as ShellWord from "@lockstep/core/ShellWord"
import * as TokenSyntax from "@lockstep/core/TokenSyntax"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { Advised } from "../errors/Advised.js"
import type { TokenFormat } from "./TokenFormat.js"

const faultOf = ({ token, tokenType }: AccessToken, form: TokenFormat | "exec"): TokenSyntax.Fault | undefined => {
  // JSON escapes what it holds, and a program reads it as it was.
  if (form === "json") return undefined
  const fault = TokenSyntax.faultOf(Redacted.value(token), tokenType)
  return fault === "token type" && form !== "header" && form !== "headers-json" ? undefined : fault
}

/**
 * Fails where the token cannot be handed out in that form. `variable` is where it comes from, if from none that is stored.
 *
 * @since 0.1.0
 * @category combinators
 */
export const check = (token: AccessToken, options: {
  readonly form: TokenFormat | "exec"
  readonly variable: Option.Option<string>
}): Effect.Effect<void, Advised> => {
  const fault = faultOf(token, options.form)
  if (fault === undefined) return Effect.void
  const { tenant } = token
  return new Advised({
    error: new ProviderRejected({ tenant, reason: "Protocol" }),
    text: `the ${fault} of ${tenant} has characters that no token may have (RFC 6749, A.12): it is not handed out`,
    advice: Option.match(options.variable, {
      onNone: () =>
        `get another one with \`lockstep login ${ShellWord.quote(tenant)}\`; \`--format json\` shows it escaped`,
      onSome: (name) => `correct or unset ${name}`
    }),
    nearest: []
  })
}
