package wire

import (
	"encoding/binary"
	"math"

	tensorv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tensor/v1"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
)

// elementBytes is the size of an element by its type.
var elementBytes = map[tensorv1.DataType]int{
	tensorv1.DataType_DATA_TYPE_F32: 4, tensorv1.DataType_DATA_TYPE_F16: 2, tensorv1.DataType_DATA_TYPE_BF16: 2,
	tensorv1.DataType_DATA_TYPE_I64: 8, tensorv1.DataType_DATA_TYPE_U8: 1,
}

// Tensor encodes a float32 tensor.
func Tensor(t *tensor.Tensor) *tensorv1.Tensor {
	m := &tensorv1.Tensor{Dtype: tensorv1.DataType_DATA_TYPE_F32}
	for _, d := range t.Shape() {
		m.Shape = append(m.Shape, int64(d))
	}
	x := t.F32()
	m.Data = make([]byte, 0, 4*len(x))
	for _, v := range x {
		m.Data = binary.LittleEndian.AppendUint32(m.Data, math.Float32bits(v))
	}
	return m
}

// FromTensor decodes a tensor of at most maxElements elements as float32, from F32, F16, BF16 or U8. The bytes must
// fit the shape exactly; that is checked before anything is allocated.
func FromTensor(op, field string, m *tensorv1.Tensor, maxElements int) (*tensor.Tensor, error) {
	size, ok := elementBytes[m.GetDtype()]
	if !ok || m.GetDtype() == tensorv1.DataType_DATA_TYPE_I64 {
		return nil, fault.InvalidField(op, field+".dtype", "%v, want F32, F16, BF16 or U8", m.GetDtype())
	}
	if r := len(m.GetShape()); r > tensor.MaxRank {
		return nil, fault.InvalidField(op, field+".shape", "%d axes, want at most %d", r, tensor.MaxRank)
	}
	n := 1
	shape := make([]int, 0, len(m.GetShape()))
	for _, d := range m.GetShape() {
		if d < 1 || d > int64(maxElements) || n > maxElements/int(d) {
			return nil, fault.InvalidField(op, field+".shape", "%v, want sizes from 1 on and at most %d elements",
				m.GetShape(), maxElements)
		}
		n *= int(d)
		shape = append(shape, int(d))
	}
	if len(m.GetData()) != n*size {
		return nil, fault.InvalidField(op, field+".data", "%d bytes for shape %v, want %d", len(m.GetData()), m.GetShape(),
			n*size)
	}
	t := tensor.New(tensor.Float32, shape...)
	x, b := t.F32(), m.GetData()
	for i := range x {
		switch m.GetDtype() {
		case tensorv1.DataType_DATA_TYPE_F16:
			x[i] = weights.F16ToFloat32(binary.LittleEndian.Uint16(b[2*i:]))
		case tensorv1.DataType_DATA_TYPE_BF16:
			x[i] = weights.BF16ToFloat32(binary.LittleEndian.Uint16(b[2*i:]))
		case tensorv1.DataType_DATA_TYPE_U8:
			x[i] = float32(b[i])
		default:
			x[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		}
	}
	return t, nil
}
