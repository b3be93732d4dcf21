import { assert, describe, it } from "@effect/vitest"
import * as ServerWords from "@lockstep/oauth/ServerWords"
import * as FakeToken from "@lockstep/testkit/FakeToken"
import * as FastCheck from "effect/FastCheck"

const token = FakeToken.make("rt")

const sharesTwelve = (text: string, secret: string): boolean => {
  for (let at = 0; at + 12 <= secret.length; at++) if (text.includes(secret.slice(at, at + 12))) return true
  return false
}

describe("a server's words", () => {
  it.each([
    ["plain words stay", "The grant was revoked by the user.", "The grant was revoked by the user."],
    ["a long code stays", "refresh_token_invalidated", "refresh_token_invalidated"],
    ["lines become one", "a\r\n\tb\u2028c", "a b c"],
    ["escape sequences lose their teeth", "\u001b[31mred\u001b[0m\u0007", "[31mred [0m"],
    ["text direction is not turned", "abc\u202edef", "abc def"],
    ["an unknown JWT is dropped", "got eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.c2ln there", "got … there"],
    ["an unknown opaque token is dropped", "bad AbCdEfGhIjKlMnOpQrStUvWxYz0123", "bad …"]
  ])("%s", (_, said, published) => {
    assert.strictEqual(ServerWords.publish(said, []), published)
  })

  it("hides a known secret, whole, shortened or percent-encoded", () => {
    for (const echo of [token, token.slice(0, 13), token.slice(7), `x${token}y`, encodeURIComponent(`${token}+/=`)]) {
      const published = ServerWords.publish(`token ${echo} is bad`, [token])
      assert.isFalse(sharesTwelve(published, token), published)
      assert.isTrue(published.startsWith("token "))
    }
  })

  it("hides a known secret that looks like a word", () => {
    assert.strictEqual(ServerWords.publish("password hunter is bad", ["hunter"]), "password … is bad")
    assert.strictEqual(
      ServerWords.publish("correcthorsebattery is bad", ["correcthorsebattery"]),
      "… is bad"
    )
  })

  it("hides a secret that the length limit would cut", () => {
    const published = ServerWords.publish(`${"word ".repeat(38)}${"correcthorsebatterystaple"}`, [
      "correcthorsebatterystaple"
    ])
    assert.isFalse(sharesTwelve(published, "correcthorsebatterystaple"))
  })

  it("is short and printable, and holds nothing of a secret, whatever was said", () => {
    FastCheck.assert(FastCheck.property(
      FastCheck.string({ unit: "binary", maxLength: 400 }),
      FastCheck.string({ unit: "grapheme-ascii", minLength: 12, maxLength: 60 }).filter((secret) => !/\s/.test(secret)),
      FastCheck.nat(400),
      (noise, secret, at) => {
        const published = ServerWords.publish(noise.slice(0, at) + secret + noise.slice(at), [secret])
        return published.length <= 200 && !/[\p{C}\n]/u.test(published) && !sharesTwelve(published, secret)
      }
    ))
  })
})
