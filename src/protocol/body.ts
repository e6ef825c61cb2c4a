/** A message without the fields that every message has. */
export type Body<Message> = Omit<Message, 'v' | 'ok'>;
