/**
 * The ChatGPT login of OpenAI's Codex: `auth.json` in `CODEX_HOME`, as read in openai/codex
 * `codex-rs/login/src/auth/storage.rs`. Version 0.171 replaces the file by a rename, under `flock` on `auth.lock` and then
 * `auth.json.lock`, but around the write alone: its request is sent before, so that two codex processes lose the login by
 * themselves, and no lock of ours would help. Where Codex is told to keep its login in the keyring there is no such file.
 *
 * @since 0.1.0
 */
import { Account } from "@lockstep/core/Credential"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as LooseJson from "./LooseJson.js"
import { login, ToolEntry } from "./ToolEntry.js"
import type { Machine, ToolImport } from "./ToolImport.js"
import { locateIn } from "./ToolImport.js"

const directory = locateIn({ variable: "CODEX_HOME", otherwise: [".codex"] })

/** The one setting in Codex's `config.toml` that says so; `auto` may, and then there is no file. */
const isInKeyring = (machine: Machine): boolean =>
  /^[ \t]*cli_auth_credentials_store[ \t]*=[ \t]*["'](?:keyring|auto)["']/m.test(
    machine.text(directory(machine, "config.toml"))
  )

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
  elsewhere: (machine) =>
    isInKeyring(machine)
      ? [ToolEntry.Elsewhere({
        name: "chatgpt",
        place: "the keyring (service Codex Auth), which only Codex reads",
        instead: "make a login of its own with `lockstep login codex`"
      })]
      : [],
  formats: [{
    locate: (machine) => [directory(machine, "auth.json")],
    read: ({ text }) =>
      Either.map(LooseJson.parse(text), (root) => [
        ...Option.toArray(Option.map(LooseJson.object(root, "tokens"), chatgpt)),
        ...KEYS.filter((name) => Option.isSome(LooseJson.text(root, name))).map((name) => ToolEntry.ApiKey({ name }))
      ])
  }]
}
