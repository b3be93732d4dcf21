/**
 * @since 0.1.0
 */
export * as KeeperAddress from "./KeeperAddress.js"
export * as KeeperAsk from "./KeeperAsk.js"
export * as KeeperClient from "./KeeperClient.js"
export * as KeeperCoordinator from "./KeeperCoordinator.js"
export * as KeeperWire from "./KeeperWire.js"
