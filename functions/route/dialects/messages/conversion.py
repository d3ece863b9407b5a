"""How Anthropic's messages are translated."""

from route.dialects.conversion import Conversion
from route.dialects.messages.answer_reading import MessagesReading
from route.dialects.messages.answer_writing import MessagesWriting
from route.dialects.messages.reading import read_request
from route.dialects.messages.writing import write_request

CONVERSION = Conversion(read_request, write_request, MessagesReading, MessagesWriting)
