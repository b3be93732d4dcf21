/**
 * @since 0.1.0
 */
import type * as Brand from "effect/Brand"
import type * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"

/**
 * Names one login: `codex`, `anthropic-oauth`, `mcp:linear`, or a further account of one as a profile, `codex@work`.
 *
 * NFC-normalised, 1 to 512 bytes of UTF-8, no control characters.
 *
 * @since 0.1.0
 * @category models
 */
export type TenantId = string & Brand.Brand<"TenantId">

const MAX_BYTES = 512

// eslint-disable-next-line no-control-regex -- control characters are what is refused
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/u

/** Half of a pair stands for no character, and every one of them is written as the same three bytes. */
const LONE_SURROGATE = /\p{Surrogate}/u

const isTenantId = (text: string): boolean =>
  text.length > 0 && new TextEncoder().encode(text).length <= MAX_BYTES && !CONTROL.test(text) &&
  !LONE_SURROGATE.test(text)

/**
 * Decodes and normalises a tenant name.
 *
 * @since 0.1.0
 * @category schemas
 */
export const TenantId: Schema.BrandSchema<TenantId, string> = Schema.transform(
  Schema.String,
  Schema.String.pipe(
    Schema.filter(isTenantId, { message: () => `a tenant is 1 to ${MAX_BYTES} bytes without control characters` }),
    Schema.brand("TenantId")
  ),
  { strict: true, decode: (text) => text.normalize("NFC"), encode: (tenant) => tenant }
) as unknown as Schema.BrandSchema<TenantId, string>

/**
 * Parses a tenant name from untrusted text.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromString: (text: string) => Either.Either<TenantId, ParseResult.ParseError> = Schema.decodeEither(
  TenantId
)

/**
 * Makes a tenant name from trusted text and throws when it is not one.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: (text: string) => TenantId = Schema.decodeSync(TenantId)

/**
 * Reads the profile, the part after the last `@`.
 *
 * @since 0.1.0
 * @category getters
 */
export const profile = (tenant: TenantId): Option.Option<string> => {
  const at = tenant.lastIndexOf("@")
  return at > 0 && at < tenant.length - 1 ? Option.some(tenant.slice(at + 1)) : Option.none()
}

/**
 * Reads the name without its profile.
 *
 * @since 0.1.0
 * @category getters
 */
export const base = (tenant: TenantId): string =>
  Option.match(profile(tenant), {
    onNone: () => tenant,
    onSome: (name) => tenant.slice(0, tenant.length - name.length - 1)
  })
