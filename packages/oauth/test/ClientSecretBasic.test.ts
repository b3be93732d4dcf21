import { assert, describe, it } from "@effect/vitest"
import * as ClientSecretBasic from "@lockstep/oauth/ClientSecretBasic"

const proof = (id: string, secret: string) => {
  const headers = new Headers()
  void ClientSecretBasic.make(secret)(
    { issuer: "https://as.example" },
    { client_id: id },
    new URLSearchParams(),
    headers
  )
  return atob(headers.get("authorization")!.slice("Basic ".length))
}

describe("HTTP Basic", () => {
  it("leaves what needs no encoding as it is, for servers that never decode", () => {
    assert.strictEqual(proof("pre-registered_client.1*", "s3cret-0"), "pre-registered_client.1*:s3cret-0")
  })

  it("encodes the rest, so that servers that decode read the same", () => {
    for (const text of ["a:b", "a b", "a+b", "a%2Db", "ä€", "(!)~'", "a@b/c?d=e&f"]) {
      const [id, secret] = proof(text, text).split(":")
      const decode = (one: string) => new URLSearchParams(`x=${one}`).get("x")
      assert.deepStrictEqual([decode(id!), decode(secret!)], [text, text])
      assert.match(`${id}${secret}`, /^[\x21-\x7e]*$/)
    }
  })
})
