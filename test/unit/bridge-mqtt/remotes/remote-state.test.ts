import assert from 'node:assert/strict'
import {
  nextRemoteState,
  type RemoteEvent,
  type RemoteState,
} from '../../../../bridge-mqtt/remotes/remote-state.ts'

const EVENTS: Readonly<Record<RemoteEvent['type'], RemoteEvent>> = {
  dial: { type: 'dial', url: 'mqtt://p' },
  connected: { type: 'connected' },
  accepted: { type: 'accepted', nowMs: 5 },
  failed: { type: 'failed', untilMs: 9, reason: 'r' },
  stopped: { type: 'stopped' },
}

const STATES: Readonly<Record<RemoteState['name'], RemoteState>> = {
  idle: { name: 'idle' },
  dialing: { name: 'dialing', url: 'mqtt://p' },
  handshaking: { name: 'handshaking', url: 'mqtt://p' },
  up: { name: 'up', url: 'mqtt://p', sinceMs: 5 },
  waiting: { name: 'waiting', url: 'mqtt://p', untilMs: 9, reason: 'r' },
  stopped: { name: 'stopped' },
}

/** What each event makes of each state; what is not here changes nothing. */
const MOVES: Readonly<Record<string, RemoteState['name']>> = {
  'idle dial': 'dialing',
  'waiting dial': 'dialing',
  'dialing connected': 'handshaking',
  'handshaking accepted': 'up',
  'dialing failed': 'waiting',
  'handshaking failed': 'waiting',
  'up failed': 'waiting',
}

describe('mqtt remotes: states', () => {
  for (const state of Object.values(STATES)) {
    for (const event of Object.values(EVENTS)) {
      const name = event.type === 'stopped' ? 'stopped' : MOVES[`${state.name} ${event.type}`]
      it(`${state.name}, ${event.type}: ${name ?? 'stays'}`, () => {
        assert.deepEqual(nextRemoteState(state, event), STATES[name ?? state.name])
      })
    }
  }
})
