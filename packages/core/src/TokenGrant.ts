/**
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { Account } from "./Credential.js"

const optionalText = { as: "Option", nullable: true } as const

/**
 * What a token endpoint granted, decoded. Absent members are kept from the stored record by the merge.
 *
 * Times are seconds since the epoch, already absolute.
 *
 * @since 0.1.0
 * @category models
 */
export class TokenGrant extends Schema.Class<TokenGrant>("@lockstep/core/TokenGrant")({
  accessToken: Schema.Redacted(Schema.String),
  refreshToken: Schema.optionalWith(Schema.Redacted(Schema.String), optionalText),
  idToken: Schema.optionalWith(Schema.Redacted(Schema.String), optionalText),
  tokenType: Schema.optionalWith(Schema.String, optionalText),
  scope: Schema.optionalWith(Schema.String, optionalText),
  expiresAt: Schema.optionalWith(Schema.Number, optionalText),
  loginExpiresAt: Schema.optionalWith(Schema.Number, optionalText),
  account: Schema.optionalWith(Account, optionalText)
}) {}
