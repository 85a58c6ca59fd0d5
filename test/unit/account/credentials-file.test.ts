import assert from 'node:assert/strict'
import { fmtCreds } from '@nats-io/jwt'
import { readCredentials, readNkeySeed } from '../../../shared/account/index.ts'
import { isNonceSigned, isPublicKey } from '../../../shared/account/nkey.ts'
import { createAccount, createUser, JwtWorld, NONCE } from './jwt-world.ts'

const code = 'PETIOLE_CREDENTIALS_INVALID'

describe('credentials of a file', () => {
  it('are a JWT and what signs the nonce, as NATS’ own tools write them', async () => {
    const world = new JwtWorld()
    const jwt = await world.userJwt()
    for (const lineEnd of ['\n', '\r\n']) {
      const text = Buffer.from(fmtCreds(jwt, world.user)).toString().replaceAll('\n', lineEnd)
      const credentials = readCredentials(text)
      assert.equal(credentials.jwt, jwt)
      assert.equal(credentials.nkey, world.user.getPublicKey())
      assert.ok(isNonceSigned(credentials.nkey, 'U', NONCE, credentials.sign(NONCE)))
    }
  })

  it('may be a seed alone', () => {
    const user = createUser()
    const seed = Buffer.from(user.getSeed()).toString()
    const block = `-----BEGIN USER NKEY SEED-----\n${seed}\n------END USER NKEY SEED------\n`
    for (const text of [seed, `${seed}\n`, block]) {
      const credentials = readNkeySeed(text)
      assert.equal(credentials.nkey, user.getPublicKey())
      assert.equal(credentials.jwt, '')
      assert.ok(isNonceSigned(credentials.nkey, 'U', NONCE, credentials.sign(NONCE)))
    }
  })

  it('are refused without showing what the file holds', async () => {
    const world = new JwtWorld()
    const whole = Buffer.from(fmtCreds(await world.userJwt(), world.user)).toString()
    const seed = Buffer.from(world.user.getSeed()).toString()
    const account = Buffer.from(createAccount().getSeed()).toString()
    const broken = seed.slice(0, 30) + (seed[30] === 'A' ? 'B' : 'A') + seed.slice(31)
    for (const text of ['', whole.replace(seed, ''), whole.replace('NATS USER JWT', 'X')]) {
      assert.throws(() => readCredentials(text), { code })
    }
    for (const text of ['', account, broken, seed.toLowerCase(), seed.slice(1), `${seed}A`]) {
      assert.throws(
        () => readNkeySeed(text),
        (error: { code: string; message: string }) =>
          error.code === code && (text === '' || !error.message.includes(text)),
      )
    }
  })
})

describe('public nkeys', () => {
  it('are told by kind and check sum', () => {
    const key = createUser().getPublicKey()
    assert.equal(isPublicKey(key, 'U'), true)
    assert.equal(isPublicKey(key, 'A'), false)
    for (let i = 0; i < key.length; i++) {
      const other = key[i] === 'B' ? 'C' : 'B'
      const wrong = key.slice(0, i) + other + key.slice(i + 1)
      assert.equal(isPublicKey(wrong, 'U'), false, `letter ${i}`)
    }
    assert.equal(isPublicKey(`${key}A`, 'U'), false)
    assert.equal(isPublicKey(key.toLowerCase(), 'U'), false)
  })
})
