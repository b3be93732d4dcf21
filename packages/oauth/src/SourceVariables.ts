/**
 * The environment variables that stand in for a vendor's stored login. Imports nothing, so that a path that must not load
 * anything can ask as well.
 *
 * @since 0.1.0
 */

/**
 * A variable that holds a credential for a vendor.
 *
 * @since 0.1.0
 * @category models
 */
export interface SourceVariable {
  readonly name: string
  /** An API key, or an access token that was obtained elsewhere. */
  readonly kind: "api_key" | "token"
}

const apiKey = (name: string): SourceVariable => ({ name, kind: "api_key" })
const token = (name: string): SourceVariable => ({ name, kind: "token" })

/**
 * By vendor id, in the order in which they win. Where each was read stands in the vendor's descriptor.
 *
 * @since 0.1.0
 * @category constants
 */
export const table = {
  "codex": [apiKey("CODEX_API_KEY"), token("CODEX_ACCESS_TOKEN"), apiKey("OPENAI_API_KEY")],
  "anthropic-oauth": [token("ANTHROPIC_AUTH_TOKEN"), apiKey("ANTHROPIC_API_KEY"), token("CLAUDE_CODE_OAUTH_TOKEN")],
  "xai-oauth": [apiKey("XAI_API_KEY")],
  "gemini": [apiKey("GEMINI_API_KEY"), apiKey("GOOGLE_API_KEY")],
  "copilot": [token("COPILOT_GITHUB_TOKEN"), token("GH_TOKEN"), token("GITHUB_TOKEN")],
  "mimocode": [apiKey("XIAOMI_API_KEY")]
} as const satisfies Readonly<Record<string, ReadonlyArray<SourceVariable>>>

/**
 * Reads the variables of a vendor; none where nothing is known of it.
 *
 * @since 0.1.0
 * @category getters
 */
export const of = (vendor: string): ReadonlyArray<SourceVariable> =>
  Object.hasOwn(table, vendor) ? table[vendor as keyof typeof table] : []

/**
 * Whether a variable counts: it is set, and to more than white space.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isSet = (value: string | undefined): value is string => value !== undefined && value.trim() !== ""
