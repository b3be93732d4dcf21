import type { IncomingMessage, ServerResponse } from "node:http"
import type { Provider } from "oidc-provider"

/**
 * The scopes that a person is asked for when nothing else is said.
 */
export const SCOPE = "openid email offline_access"

/**
 * Writes down that the account agreed to everything that the client asked for.
 */
export const grant = async (provider: Provider, options: {
  readonly accountId: string
  readonly clientId: string
  readonly scope: string
  /** RFC 8707. */
  readonly resources?: ReadonlyArray<string>
}): Promise<string> => {
  const agreed = new provider.Grant({ accountId: options.accountId, clientId: options.clientId })
  agreed.addOIDCScope(options.scope)
  for (const resource of options.resources ?? []) agreed.addResourceScope(resource, options.scope)
  return agreed.save()
}

/**
 * The resources that an authorization request names.
 */
export const resourcesOf = (params: Readonly<Record<string, unknown>>): ReadonlyArray<string> =>
  [params["resource"]].flat().filter((resource) => typeof resource === "string")

/**
 * Answers an interaction as a person would who logs in as `login_hint` and agrees to everything, and says where to go
 * on.
 */
export const answer = async (
  provider: Provider,
  request: IncomingMessage,
  response: ServerResponse
): Promise<string> => {
  const { params, prompt, session } = await provider.interactionDetails(request, response)
  const accountId = session?.accountId ?? String(params["login_hint"] ?? "person")
  const result = prompt.name === "login"
    ? { login: { accountId } }
    : {
      consent: {
        grantId: await grant(provider, {
          accountId,
          clientId: String(params["client_id"]),
          scope: String(params["scope"] ?? ""),
          resources: resourcesOf(params)
        })
      }
    }
  return provider.interactionResult(request, response, result, { mergeWithLastSubmission: true })
}
