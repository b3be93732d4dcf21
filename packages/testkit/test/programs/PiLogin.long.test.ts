/** pi's own login at Anthropic, in its own file and under its own lock, with pi itself. */
import { vendorLoginTests } from "./vendorLogin.js"

vendorLoginTests({
  program: "pi",
  row: "pi",
  store: "pi",
  tenant: "anthropic",
  file: ({ path }) => path(".pi", "agent", "auth.json"),
  surroundings: () => ({}),
  text: ({ access_token, refresh_token }) =>
    JSON.stringify(
      {
        google: { type: "api_key", key: "é\u0001" },
        anthropic: { type: "oauth", refresh: refresh_token, access: access_token, expires: 1_000 }
      },
      null,
      2
    ),
  stable: (text) => text.replace(/("(?:access|refresh)": )"[^"]*"/g, "$1\"\"").replace(/("expires": )\d+/, "$10"),
  expired: (text) => text.replace(/("expires": )\d+/, "$11000"),
  token: (text) => (JSON.parse(text) as { readonly anthropic: { readonly access: string } }).anthropic.access,
  question: ["-p", "hi", "--provider", "anthropic", "--model", "claude-opus", "--no-session"],
  // Node asks no proxy unless it is told to.
  environment: { NODE_USE_ENV_PROXY: "1", PI_OFFLINE: "" }
})
