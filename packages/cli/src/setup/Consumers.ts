/**
 * The programs that can be set up.
 *
 * @since 0.1.0
 */

/**
 * As `lockstep setup` calls them.
 *
 * @since 0.1.0
 * @category constants
 */
export const CONSUMERS = ["git", "kubectl", "claude-code", "codex", "mcp"] as const

/**
 * A client of MCP that is known by name.
 *
 * @since 0.1.0
 * @category models
 */
export type Client = typeof CLIENTS[number]

/**
 * The clients of MCP that are known by name.
 *
 * @since 0.1.0
 * @category constants
 */
export const CLIENTS = ["claude-code", "codex", "cursor", "gemini"] as const
