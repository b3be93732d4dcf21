import { assert, describe, it } from "@effect/vitest"
import * as ErrorCode from "@lockstep/core/ErrorCode"

describe("the code of an error", () => {
  it("is what Node, libuv and both lines of OpenSSL write", () => {
    for (
      const code of [
        "ECONNRESET",
        "UND_ERR_CONNECT_TIMEOUT",
        "ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE",
        "ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE"
      ]
    ) assert.strictEqual(ErrorCode.of(Object.assign(new Error("quotes anything"), { code })), code)
  })

  it("is nothing that could quote a secret or draw on a terminal", () => {
    for (
      const code of ["", "E", "lockstep-rt-1", "A B", "E\nF", "E\u001b[2J", "E".repeat(65), "/E", 7, null, undefined]
    ) {
      assert.isUndefined(ErrorCode.of({ code }))
    }
    for (const thrown of [null, undefined, "ECONNRESET", 1]) assert.isUndefined(ErrorCode.of(thrown))
    assert.strictEqual(ErrorCode.inBrackets(undefined), "")
  })
})
