"""How OpenAI's responses are translated."""

from route.dialects.conversion import Conversion
from route.dialects.responses.answer_reading import ResponsesReading
from route.dialects.responses.answer_writing import ResponsesWriting
from route.dialects.responses.reading import read_request
from route.dialects.responses.writing import write_request

CONVERSION = Conversion(read_request, write_request, ResponsesReading, ResponsesWriting)
