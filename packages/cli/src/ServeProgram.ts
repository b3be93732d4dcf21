/**
 * The command with its keeper: the same program, in a build of its own.
 *
 * @since 0.1.0
 */
export { main } from "./Program.js"
