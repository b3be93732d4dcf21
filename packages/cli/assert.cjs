/**
 * Assertions of bundled dependencies. Node's own builds its message from the source of the line that failed: in a bundle
 * that is parsing hundreds of kilobytes, for seconds, at the word of a server that sent what was not expected.
 */
class AssertionError extends Error {
  name = "AssertionError"
  code = "ERR_ASSERTION"
}

const assert = (holds, message) => {
  if (!holds) throw message instanceof Error ? message : new AssertionError(message ?? "an assertion does not hold")
}

module.exports = Object.assign(assert, { AssertionError, ok: assert, strict: assert })
