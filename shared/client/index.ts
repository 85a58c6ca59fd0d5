/** The one client interface that the fleet's services speak, and its in-process form. */
export { LocalClient } from './local-client.ts'
export type {
  ClientMessage,
  MessageHandler,
  NatsClient,
  PublishChoices,
  RequestChoices,
  SubscribeChoices,
} from './nats-client.ts'
