/**
 * The ChatGPT login of OpenAI's Codex: `auth.json` in `CODEX_HOME`, as read in openai/codex
 * `codex-rs/login/src/auth/storage.rs`. Codex writes it in place and without a lock, so what is read may be torn. Where
 * Codex keeps its login in the keyring there is no such file.
 *
 * @since 0.1.0
 */
import { Account } from "@lockstep/core/Credential"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as LooseJson from "./LooseJson.js"
import { login, ToolEntry } from "./ToolEntry.js"
import type { ToolImport } from "./ToolImport.js"
import { locateIn } from "./ToolImport.js"

const directory = locateIn({ variable: "CODEX_HOME", otherwise: [".codex"] })

/** Members of other ways in. They are told and not taken over. */
const KEYS = ["OPENAI_API_KEY", "personal_access_token", "bedrock_api_key"]

const chatgpt = (tokens: LooseJson.Members): ToolEntry =>
  login("chatgpt", Option.some("codex"), {
    vendor: Option.some("codex"),
    accessToken: LooseJson.text(tokens, "access_token"),
    refreshToken: LooseJson.text(tokens, "refresh_token"),
    idToken: LooseJson.text(tokens, "id_token"),
    account: Option.map(
      LooseJson.text(tokens, "account_id"),
      (id) => Account.make({ id: Option.some(id), label: Option.none() })
    )
  })

/**
 * Codex.
 *
 * @since 0.1.0
 * @category tools
 */
export const codex: ToolImport = {
  name: "codex",
  title: "Codex",
  store: Option.none(),
  formats: [{
    locate: (machine) => [directory(machine, "auth.json")],
    read: ({ text }) =>
      Either.map(LooseJson.parse(text), (root) => [
        ...Option.toArray(Option.map(LooseJson.object(root, "tokens"), chatgpt)),
        ...KEYS.filter((name) => Option.isSome(LooseJson.text(root, name))).map((name) => ToolEntry.ApiKey({ name }))
      ])
  }]
}
