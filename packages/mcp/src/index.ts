/**
 * @since 0.1.0
 */
export * as CanonicalResource from "./CanonicalResource.js"
export * as Challenge from "./Challenge.js"
export * as Lockstep from "./Lockstep.js"
export * as LoginRequired from "./LoginRequired.js"
export * as McpError from "./McpError.js"
export * as McpServer from "./McpServer.js"
export * as McpTenant from "./McpTenant.js"
export * as OAuthClientProvider from "./OAuthClientProvider.js"
export * as ProtectedResource from "./ProtectedResource.js"
export * as Retrieval from "./Retrieval.js"
export * as SdkTransport from "./SdkTransport.js"
export * as SdkTypes from "./SdkTypes.js"
export * as UnknownFlow from "./UnknownFlow.js"
