/**
 * @since 0.1.0
 */
export * as ProxyDesk from "./ProxyDesk.js"
export * as ProxyExchange from "./ProxyExchange.js"
export * as ProxyGuard from "./ProxyGuard.js"
export * as ProxyHeaders from "./ProxyHeaders.js"
export * as ProxyProblem from "./ProxyProblem.js"
export * as ProxyTarget from "./ProxyTarget.js"
export * as ProxyUpload from "./ProxyUpload.js"
export * as ReverseProxy from "./ReverseProxy.js"
