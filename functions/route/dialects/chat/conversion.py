"""How chat completions are translated."""

from route.dialects.base import Document
from route.dialects.chat.answer_reading import ChatAnswerReading
from route.dialects.chat.answer_writing import ChatAnswerWriting
from route.dialects.chat.reading import read_request
from route.dialects.chat.writing import write_request
from route.dialects.conversion import AnswerReading, AnswerWriting, Asked, Conversion, Target
from route.dialects.fields import Report
from route.dialects.neutral import NeutralRequest


class ChatConversion(Conversion):
    """OpenAI's chat completions, and what the many servers that speak them have added."""

    def read_request(self, body: Document) -> NeutralRequest:
        return read_request(body)

    def write_request(self, request: NeutralRequest, target: Target, report: Report) -> Document:
        return write_request(request, target, report)

    def answer_reading(self, report: Report) -> AnswerReading:
        return ChatAnswerReading(report)

    def answer_writing(self, asked: Asked, report: Report) -> AnswerWriting:
        return ChatAnswerWriting(asked, report)
