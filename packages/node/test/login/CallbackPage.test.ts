import { assert, describe, it } from "@effect/vitest"
import * as CallbackPage from "@lockstep/node/login/CallbackPage"
import * as Crypto from "node:crypto"

const page = (detail: string, title = "Title") => CallbackPage.render({ outcome: "Failed", title, detail })

describe("CallbackPage", () => {
  it("escapes whatever it is told, in commands too", () => {
    const hostile = "<script>alert(\"1\")</script>' & `<b>x</b>`"
    const html = page(hostile, hostile)
    assert.isFalse(/<script|<b>x|alert\("/.test(html))
    assert.include(
      html,
      "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&#39; &amp; <code>&lt;b&gt;x&lt;/b&gt;</code>"
    )
  })

  it("gives every line a paragraph and every command its type", () => {
    assert.include(
      page("one\n\n`lockstep login codex` two"),
      "<p>one</p>\n<p><code>lockstep login codex</code> two</p>"
    )
  })

  it("asks for nothing from elsewhere and runs nothing", () => {
    for (const outcome of ["Done", "Failed"] as const) {
      const html = CallbackPage.render({ outcome, title: "Title", detail: "" })
      assert.isFalse(/<script|\son\w+=|src=|@import|url\(/.test(html))
      const addresses = html.match(/https?:\/\/[^'"\s]+/g)
      assert.deepStrictEqual(addresses, ["http://www.w3.org/2000/svg"])
    }
  })

  it("allows its own style sheet by its hash, and no other", () => {
    const style = /<style>([^]*)<\/style>/.exec(page(""))?.[1] ?? ""
    const hash = Crypto.createHash("sha256").update(style).digest("base64")
    assert.include(CallbackPage.headers["Content-Security-Policy"], `style-src 'sha256-${hash}';`)
  })
})
