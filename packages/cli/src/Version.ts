/**
 * The version of the command.
 *
 * @since 0.1.0
 * @category constants
 */
export const VERSION = "0.1.0"
