/**
 * @since 0.1.0
 */
import type * as ConfigError from "effect/ConfigError"

/**
 * Says which setting is wrong, and how: the first of several.
 *
 * @since 0.1.0
 * @category rendering
 */
export const message = (error: ConfigError.ConfigError): string => {
  const leaves: Array<string> = []
  const walk = (node: ConfigError.ConfigError): void => {
    if (node._op === "And" || node._op === "Or") {
      walk(node.left)
      walk(node.right)
    } else leaves.push(`${node.path.join("_")}: ${node.message}`)
  }
  walk(error)
  return leaves[0] ?? "the configuration is not understood"
}

/**
 * What to do about it.
 *
 * @since 0.1.0
 * @category constants
 */
export const ADVICE = "correct or unset that setting"
