/**
 * The texts of -ERR between hubs; nats-server's where it has one for the case. Source: nats-server's
 * server/errors.go, route.go and gateway.go.
 */
export const AUTHORIZATION_VIOLATION = 'Authorization Violation'
export const AUTHENTICATION_TIMEOUT = 'Authentication Timeout'
export const STALE_CONNECTION = 'Stale Connection'
export const CLIENT_ON_ROUTE_PORT = 'attempted to connect to route port'
export const OTHER_ON_GATEWAY_PORT = 'attempted to connect to gateway port'
export const WRONG_PORT = 'attempted to connect to wrong port'
export const UNKNOWN_OPERATION = 'Unknown Protocol Operation'
export const BAD_IDENTITY = 'Petiole identity cannot be verified'
export const SELF_CONNECTION = 'this server is the one that dialled'
export const DUPLICATE_LINK = 'Duplicate Route'
export const TOO_MANY_PEERS = 'maximum connections exceeded'

export function gatewayOnRoutePort(region: string): string {
  return `Rejecting connection from gateway ${quoted(region)} on the Route port`
}

export function clusterNameConflict(theirs: string, ours: string): string {
  return `Rejecting connection, cluster name ${quoted(theirs)} does not match ${quoted(ours)}`
}

export function gatewayRejected(ours: string): string {
  return `Connection to gateway ${quoted(ours)} rejected`
}

export function wrongGateway(dialler: string, wanted: string, actual: string): string {
  return `Connection from ${quoted(dialler)} rejected, wanted to connect to ${quoted(wanted)}, this is ${quoted(actual)}`
}

/** nats-server closes without a word; whoever has to rename a server is told which. */
export function duplicateServerName(name: string): string {
  return `Remote server has a duplicate name: ${quoted(name)}`
}

export function duplicateIdentity(name: string): string {
  return (
    `Two processes use the identity of ${quoted(name)}: ` +
    'do two hubs run from copies of one store directory?'
  )
}

function quoted(text: string): string {
  return JSON.stringify(text)
}
