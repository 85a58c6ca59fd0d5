import assert from 'node:assert/strict'
import { ScramServer } from '../../../../bridge-mqtt/auth/scram-server.ts'
import type { ScramChallenge } from '../../../../shared/account/index.ts'
import { SeededRandom } from '../../../../shared/runtime/index.ts'
import { ScramClient, verifierText } from '../../../support/scram-client.ts'
import { userDoor } from '../../../support/user-door.ts'

/** RFC 7677, 3. */
const SALT = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64')
const NONCE = '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0'
const NONCES = `rOprNGfwEbeRWgbNEkqO${NONCE}`
const CLIENT_FIRST = 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO'
const SERVER_FIRST = `r=${NONCES},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`
const CLIENT_FINAL = `c=biws,r=${NONCES},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=`
const SERVER_FINAL = 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4='

const door = userDoor({
  users: [
    { user: 'user', password: verifierText('pencil', SALT) },
    { user: 'a,b=c', password: 'plain' },
    { user: 'Jürgen', password: 'Ⅸ' },
  ],
})

function find(user: string): ScramChallenge | undefined {
  return door.challenge?.({ user })
}

function server(nonce = NONCE): ScramServer {
  return new ScramServer(find, nonce)
}

function say(to: ScramServer, text: string | Buffer): string {
  const answer = to.next(Buffer.from(text))
  return answer.kind === 'failed' ? answer.reason : Buffer.from(answer.data).toString()
}

describe('ScramServer', () => {
  it('says what RFC 7677 says', () => {
    const exchange = server()
    assert.equal(say(exchange, CLIENT_FIRST), SERVER_FIRST)
    const answer = exchange.next(Buffer.from(CLIENT_FINAL))
    assert.ok(answer.kind === 'proven')
    assert.equal(Buffer.from(answer.data).toString(), SERVER_FINAL)
    assert.equal(answer.challenge.user, 'user')
    assert.equal(say(exchange, CLIENT_FINAL), 'invalid', 'an exchange proves once')
  })

  const proven: readonly (readonly [string, ScramClient])[] = [
    ['a client that could bind channels', new ScramClient('user', 'pencil', 'x', 'y,,')],
    ['a user who acts as himself', new ScramClient('user', 'pencil', 'x', 'n,a=user,')],
    ['a comma and an equals sign in a name', new ScramClient('a=2Cb=3Dc', 'plain')],
    ['names and passwords in other forms', new ScramClient('Ju\u0308rgen', 'IX')],
    ['an extension behind the nonce', new ScramClient('user', 'pencil', 'x,z=1')],
  ]
  for (const [name, client] of proven) {
    it(`lets in ${name}`, () => {
      // What follows the nonce in the client's first message is no part of it.
      const exchange = server()
      const challenge = say(exchange, client.first)
      assert.equal(say(exchange, client.final(Buffer.from(challenge))), client.serverFinal)
    })
  }

  const wrong: readonly (readonly [string, string, string])[] = [
    ['another password', 'user', 'pencils'],
    ['no password', 'user', ''],
    ['an unknown user', 'nobody', 'pencil'],
    ['the verifier in place of the password', 'user', verifierText('pencil', SALT)],
  ]
  for (const [name, user, password] of wrong) {
    it(`refuses ${name} at the end, and not before`, () => {
      const exchange = server()
      const client = new ScramClient(user, password)
      const challenge = say(exchange, client.first)
      assert.match(challenge, /^r=.+,s=.{24},i=4096$/)
      assert.equal(say(exchange, client.final(Buffer.from(challenge))), 'wrong')
    })
  }

  it('refuses who wants to act as another one', () => {
    assert.equal(say(server(), 'n,a=root,n=user,r=x'), 'wrong')
  })

  const firsts = [
    '',
    'n',
    'n,,',
    'n=user,r=x',
    'p=tls-unique,,n=user,r=x',
    'x,,n=user,r=x',
    'n,user,n=user,r=x',
    'n,a=,n=user,r=x',
    'n,,m=ext,n=user,r=x',
    'n,,n=,r=x',
    'n,,n=us=er,r=x',
    'n,,n=user=2c,r=x',
    'n,,n=user',
    'n,,n=user,r=',
    'n,,n=user,r=x y',
    'n,,n=user,r=ü',
    'n,,r=x,n=user',
    'n,,n=user,r=x,',
    'n,,n=user,r=x,nothing',
    'n,,n=user\0,r=x',
    Buffer.concat([Buffer.from('n,,n='), Buffer.of(0xed, 0xa0, 0x80), Buffer.from(',r=x')]),
    Buffer.concat([Buffer.from('n,,n='), Buffer.of(0xc0, 0xaf), Buffer.from(',r=x')]),
    `n,,n=user,r=${'x'.repeat(4_096)}`,
  ]
  for (const first of firsts) {
    it(`takes no first message ${JSON.stringify(first.toString().slice(0, 40))}`, () => {
      assert.equal(say(server(), first), 'invalid')
    })
  }

  const finals = [
    '',
    CLIENT_FIRST,
    CLIENT_FINAL.replace('biws', 'eSws'),
    CLIENT_FINAL.replace('biws', 'biws='),
    CLIENT_FINAL.replace(NONCES, NONCES.slice(0, -1)),
    CLIENT_FINAL.replace(NONCES, `${NONCES}x`),
    CLIENT_FINAL.replace(/,p=.*/, ''),
    CLIENT_FINAL.replace(/p=.*/, 'p='),
    CLIENT_FINAL.replace('VQ=', 'VQ'),
    CLIENT_FINAL.replace('p=', 'p=AAAA'),
    CLIENT_FINAL.replace('VQ=', 'VR='),
    `${CLIENT_FINAL},x=1`,
    CLIENT_FINAL.replace('c=biws,', ''),
    `${CLIENT_FINAL}\0`,
  ]
  for (const final of finals) {
    it(`takes no final message ${JSON.stringify(final.slice(0, 90))}`, () => {
      const exchange = server()
      assert.equal(say(exchange, CLIENT_FIRST), SERVER_FIRST)
      assert.equal(say(exchange, final), 'invalid')
      assert.equal(say(exchange, CLIENT_FINAL), 'invalid', 'there is no second try')
    })
  }

  it('a proof that was overheard serves in no other exchange', () => {
    const exchange = server('another')
    say(exchange, CLIENT_FIRST)
    assert.equal(say(exchange, CLIENT_FINAL), 'invalid')
    assert.equal(say(exchange, CLIENT_FINAL.replace(NONCE, 'another')), 'invalid')
    const honest = server('another')
    say(honest, CLIENT_FIRST)
    assert.equal(say(honest, CLIENT_FINAL.replace(NONCE, 'another')), 'wrong')
  })

  it('no bit of a proof may be another', () => {
    const proof = Buffer.from(CLIENT_FINAL.split('p=')[1]!, 'base64')
    for (let bit = 0; bit < proof.length * 8; bit++) {
      const damaged = Buffer.from(proof)
      damaged[bit >> 3]! ^= 1 << (bit & 7)
      const exchange = server()
      say(exchange, CLIENT_FIRST)
      const final = CLIENT_FINAL.replace(/p=.*/, `p=${damaged.toString('base64')}`)
      assert.equal(say(exchange, final), 'wrong', `bit ${bit}`)
    }
  })

  it('whatever comes is answered or refused', () => {
    const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
    const random = new SeededRandom(seed)
    for (let round = 0; round < 2_000; round++) {
      const exchange = server()
      const isSecond = random.below(2) === 0
      if (isSecond) say(exchange, CLIENT_FIRST)
      const message = Buffer.from(isSecond ? CLIENT_FINAL : CLIENT_FIRST)
      for (let n = random.below(3) + 1; n > 0; n--) {
        message[random.below(message.length)] = random.below(256)
      }
      const cut = message.subarray(
        0,
        random.below(3) === 0 ? random.below(message.length) : undefined,
      )
      const answer = exchange.next(cut)
      const isAsIs = cut.equals(Buffer.from(CLIENT_FINAL))
      assert.equal(answer.kind === 'proven', isAsIs, `seed ${seed} round ${round}: ${cut}`)
    }
  })
})
