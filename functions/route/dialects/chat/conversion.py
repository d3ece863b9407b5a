"""How OpenAI's chat completions, and what many servers have added to them, are translated."""

from route.dialects.chat.answer_reading import ChatAnswerReading
from route.dialects.chat.answer_writing import ChatAnswerWriting
from route.dialects.chat.reading import read_request
from route.dialects.chat.writing import write_request
from route.dialects.conversion import Conversion

CONVERSION = Conversion(read_request, write_request, ChatAnswerReading, ChatAnswerWriting)
