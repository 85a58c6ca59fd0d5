import { createRequire } from 'node:module'
import type * as Ws from 'ws'

let loaded: typeof Ws | undefined

/** The WebSocket library, loaded with the first listener or dial: most leaves and many hubs have neither. */
export function webSocketPackage(): typeof Ws {
  loaded ??= createRequire(import.meta.url)('ws') as typeof Ws
  return loaded
}
